"""Elvis occupancy exports: files in, observations out.

An export is a full snapshot of a set of wards at one time. Elvis has no public format: every assumption is
configuration, listed in ``docs/elvis-export.md``. In the order in which a file goes through them:

* ``inbox``, ``waiting``, ``reading``: which files there are, when to look, a file's bytes (I/O);
* ``outside``, ``parse``, ``rows``: what name, header, column names and trailer say;
* ``scan``, ``row``, ``cells``: what each row says of whom; one total function for each kind of value;
* ``guards``, ``compare``, ``absence``, ``observe``: what changed since the snapshots before, who has left;
* ``handle``, ``bounds``, ``state``: what is committed, and what is remembered;
* ``taking``, ``moving``, ``archive``, ``feed``: the commit, where the file goes, one round of it all (I/O).

``kept`` reads handled files again, ``outcomes`` reads a file without the service. All but those marked and
``kept`` are pure.
"""
