"""Elvis occupancy exports: files in, observations out.

An export is a full snapshot of a set of wards at one time. ``format`` says what a file looks
like, ``parse`` reads it, ``row`` reads one row's fields, ``compare`` tells what changed since the
previous snapshot, ``state`` is what is remembered between two, ``feed`` watches the directory and
commits. All but ``feed`` and ``inbox`` are pure. Elvis has no public format: every assumption is
configuration, listed in ``docs/elvis-export.md``.
"""
