"""Time passes: what a tick makes happen by itself, a bounded number of visits at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from router.core.due import BEHIND
from router.core.facts import microseconds
from router.core.keys import VisitKey
from router.core.outbox import Outbox
from router.core.state import Realm

DUE_PER_TICK: Final = 200
"""Visits that one tick changes, some 50 ms of work; at midnight there may be more, for the next."""


def pass_time(realm: Realm, outbox: Outbox, at: datetime, *, set_back: bool) -> set[str]:
    """The patients of whom something has happened by now, or not yet if the clock was ahead."""
    early = _set_back(realm, at) if set_back else set()
    before = realm.agenda.behind
    due = realm.agenda.pass_to(microseconds(at), DUE_PER_TICK)
    behind = realm.agenda.behind
    if behind != before:
        outbox.state(realm.key(BEHIND), behind)
    return _patients(realm, outbox, [*sorted(early), *due])


def _set_back(realm: Realm, at: datetime) -> set[VisitKey]:
    early = realm.agenda.set_back(microseconds(at))
    for visit in filter(None, map(realm.visits.get, early)):
        visit.fold_ = None
    return early


def _patients(realm: Realm, outbox: Outbox, visits: Iterable[VisitKey]) -> set[str]:
    touched = set()
    for visit in filter(None, map(realm.visits.get, visits)):
        outbox.encounter(visit)
        touched.add(realm.patient_of(visit))
    return touched
