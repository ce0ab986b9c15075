"""Metadata of an export: its name and its modification time.

An export without header rows says neither when it was made nor of which wards it is. Its time is then in its
name, by a pattern, or is the file's own; the scope whose ``files`` its name matches says which wards it
covers. Pure and total.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from adapters.common.filename import matches
from adapters.common.outcome import Trouble
from adapters.elvis.format import HEADER, MTIME, ExportFormat
from adapters.elvis.nametimes import FORM
from adapters.elvis.parse import Given, Times
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.times import FIRST_YEAR, LAST_YEAR, ExportTimeReader


class Outside(NamedTuple):
    """A file's name, as the file system gives it and without what an archive put in front, and its time."""

    name: str
    mtime_ns: int | None = None


def given_by(outside: Outside, settings: ElvisSettings) -> Given | Trouble:
    """What the file's content need not say, or why that cannot be told."""
    form, given = settings.format, Given()
    if form.exported_at != HEADER:
        times = _times(outside, form)
        if times is None:
            return _untimed(form)
        given = given._replace(times=times)
    if form.has_header_rows:
        return given
    named = [scope for scope in settings.scopes if matches(outside.name, scope.files)]
    if len(named) != 1:
        detail = f"the file's name fits the `files` of {len(named)} scopes: without header rows it must be one"
        return Trouble("scope-unknown", detail)
    return given._replace(hospital=named[0].hospital, wards=named[0].wards)


def _times(outside: Outside, form: ExportFormat) -> Times | None:
    if form.exported_at == MTIME:
        moment = None if outside.mtime_ns is None else moment_of(outside.mtime_ns)
        return None if moment is None else Times(moment, moment)
    pattern = form.name_time
    text = pattern.text_in(outside.name) if pattern else None
    if text is None:
        return None
    times = ExportTimeReader((FORM,), form.zone)
    first, late = times.read(text), times.read_second_pass(text)
    return None if first is None or late is None else Times(first, late)


def moment_of(mtime_ns: int) -> datetime | None:
    """A file's time; None for one that no export has (a file system keeps any number)."""
    try:
        moment = datetime.fromtimestamp(mtime_ns // 1_000 / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def _untimed(form: ExportFormat) -> Trouble:
    detail = (
        "the file's own time is none of care: copy it with its time kept"
        if form.exported_at == MTIME
        else f"the file's name does not tell a time as {form.exported_at!r} does: rename it, or "
        "correct exported_at"
    )
    return Trouble("export-time-unreadable", detail)
