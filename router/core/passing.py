"""Applies the passing of time: what a tick makes take effect, a bounded number of visits at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from router.core.due import BEHIND, EARLY
from router.core.facts import microseconds
from router.core.keys import VisitKey
from router.core.output_records import OutputRecords
from router.core.state import Realm

DUE_PER_TICK: Final = 200
"""Visits that one tick changes, some 50 ms of work; at midnight there may be more, for the next."""


def pass_time(realm: Realm, outbox: OutputRecords, at: datetime, *, set_back: bool) -> set[str]:
    """The patients of whom something has happened by now, or not yet if the clock was ahead."""
    if set_back:
        _set_back(realm, outbox, at)
    undone = undo(realm, outbox)
    before = realm.agenda.behind
    due = realm.agenda.pass_to(microseconds(at), DUE_PER_TICK)
    behind = realm.agenda.behind
    if behind != before:
        outbox.state(realm.key(BEHIND), behind)
    return undone | _patients(realm, outbox, due)


def undo(realm: Realm, outbox: OutputRecords) -> set[str]:
    """The next patients of whom a clock that was ahead had made something happen too early."""
    before = realm.agenda.early
    if before is None:  # nearly always
        return set()
    early = realm.agenda.undo(DUE_PER_TICK)
    outbox.state(realm.key(EARLY), realm.agenda.early)
    return _patients(realm, outbox, early)


def _set_back(realm: Realm, outbox: OutputRecords, at: datetime) -> None:
    """Have no visit happen before its time; the lists follow bit by bit."""
    for visit in filter(None, map(realm.visits.get, realm.agenda.set_back(microseconds(at)))):
        visit.fold_ = None
    outbox.state(realm.key(EARLY), realm.agenda.early)


def _patients(realm: Realm, outbox: OutputRecords, visits: Iterable[VisitKey]) -> set[str]:
    touched = set()
    for visit in filter(None, map(realm.visits.get, visits)):
        outbox.encounter(visit)
        touched.add(realm.patient_of(visit))
    return touched
