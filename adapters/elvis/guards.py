"""The guards that quarantine a file instead of believing it: each gives a trouble or None.

A quarantined file changes nothing. ``approved`` files (put into ``approved/`` by a person who has
looked) pass the shrink guard and the guard on unreadable rows, and no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from adapters.common.outcome import Trouble
from adapters.elvis.parse import Export
from adapters.elvis.scan import Scan
from adapters.elvis.settings import Guards, Scope
from adapters.elvis.state import ScopeState, SnapshotRow

OLDER_THAN_LAST: Final = "older-than-last"
IN_FUTURE: Final = "exported-in-future"

MAX_UNUSED_ROWS: Final = 10_000
"""So many are remembered, to tell each once, in one record of a scope: 350 kB."""

_SHOWN_NAMES: Final = 10


def _shown(names: Sequence[str]) -> str:
    """Names that a header gives, as far as a text should hold them."""
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{list(names[:_SHOWN_NAMES])}{more}"


def _folded(wards: Collection[str]) -> set[str]:
    return {ward.casefold() for ward in wards}


def _lacking(wards: Collection[str], among: Collection[str]) -> list[str]:
    there = _folded(among)
    return sorted(ward for ward in wards if ward.casefold() not in there)


def scope_of(
    export: Export, scopes: Collection[Scope], known: Mapping[str, ScopeState]
) -> str | Trouble:
    """The scope that the file covers, exactly; without configured scopes, its hospital."""
    if not scopes:
        last = known.get(export.hospital)
        trouble = _wards_differ(export, last.wards, may_grow=True) if last else None
        return trouble or export.hospital
    hospital = export.hospital.casefold()
    candidates = [scope for scope in scopes if scope.hospital.casefold() == hospital]
    if not candidates:
        detail = f"no scope has hospital {export.hospital!r}: add it, or correct the export"
        return Trouble("scope-unknown", detail)
    covered = _folded(export.wards)
    nearest = max(candidates, key=lambda scope: len(covered & _folded(scope.wards)))
    return _wards_differ(export, nearest.wards, may_grow=False) or nearest.name


def _wards_differ(export: Export, expected: Collection[str], *, may_grow: bool) -> Trouble | None:
    missing = _lacking(expected, export.wards)
    if missing:
        detail = (
            f"the export does not cover {_shown(missing)}: export them too, or change the scope"
        )
        return Trouble("wards-missing", detail)
    more = _lacking(export.wards, expected)
    if more and not may_grow:
        detail = f"the export covers {_shown(more)} beyond the scope: add them to the scope"
        return Trouble("wards-unexpected", detail)
    return None


def not_too_large(size: int, guards: Guards) -> Trouble | None:
    """No export of a region is so large; reading it whole could end the service."""
    if size <= guards.file_bytes:
        return None
    detail = f"larger than {guards.file_bytes} bytes: it is no export, or file_bytes is too low"
    return Trouble("file-too-large", detail)


def not_ahead(exported_at: datetime, received_at: datetime, guards: Guards) -> Trouble | None:
    """An export from the future would make every right one after it look old."""
    if exported_at <= received_at + timedelta(seconds=guards.future_s):
        return None
    detail = f"exported more than {guards.future_s} s ahead of our clock: set the clocks right"
    return Trouble(IN_FUTURE, detail)


def not_older(sequence: int, last: ScopeState | None) -> Trouble | None:
    """A snapshot as old as the scope's newest, or older, tells nothing about now."""
    if last is None or sequence > last.sequence:
        return None
    detail = (
        "a later export of this scope, or another of the same time, was accepted before: nothing "
        "is lost by leaving this one; export again if the last one was wrong"
    )
    return Trouble(OLDER_THAN_LAST, detail)


def each_ward_listed(export: Export, found: Scan) -> Trouble | None:
    """One row a place, occupied or not: a covered ward without any row was left out.

    Unless a row may be of any ward, because its cells cannot be told apart: that is what is said then.
    """
    silent = _lacking(export.wards, found.wards)
    if not silent or found.misshapen:
        return None
    detail = (
        f"no rows for {_shown(silent)}, which the export covers: export them, or take them out of the "
        "header or scope"
    )
    return Trouble("ward-without-rows", detail)


def not_all_unused(found: Scan, rows: int) -> Trouble | None:
    """More than can be remembered are no slips, whatever a person has approved."""
    return _unused(found, rows) if len(found.unused) > MAX_UNUSED_ROWS else None


def mostly_readable(found: Scan, rows: int, guards: Guards) -> Trouble | None:
    """Many rows without a readable patient are a changed format, not slips of the pen."""
    tolerated = max(guards.unreadable_rows, guards.unreadable_share * rows)
    return _unused(found, rows) if len(found.unreadable) > tolerated else None


def _unused(found: Scan, rows: int) -> Trouble:
    """What is wrong with the rows that are not used, by the first with the wrong number of cells if any."""
    if found.misshapen:
        first = found.misshapen[0].trouble
        detail = f"of {rows} rows {len(found.misshapen)} are such; the first: {first.detail}"
        return Trouble(first.reason, detail, first.where)
    detail = (
        f"{len(found.unused)} of {rows} rows have no readable patient: check the column mapping"
    )
    return Trouble("too-many-unreadable-rows", detail)


def not_shrunk(
    before: Mapping[str, SnapshotRow], absent: Collection[str], guards: Guards
) -> Trouble | None:
    """No ward may lose more of its patients at once than configured.

    Moves within the file count as present; patients without a place are a group of their own.
    """
    had = Counter(listing.ward for listing in before.values())
    lost = Counter(before[key].ward for key in absent)
    emptied = sorted(
        ward or "(without a place)"
        for ward, count in lost.items()
        if count >= guards.shrink_patients and count > guards.shrink_share * had[ward]
    )
    if not emptied:
        return None
    detail = (
        f"more than {guards.shrink_share:.0%} of the patients of {_shown(emptied)} are gone since the last "
        "export: if that is true, move the file as it is from rejected/ to approved/ of the feed's directory"
    )
    return Trouble("shrunk", detail)
