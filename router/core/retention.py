"""Retention of the router's state; each tick looks at a bounded number of visits in turn.

* A visit that is over is dropped after the keep time. Over means ended, or planned with nothing left to wait for.
* What a ward was told of a visit goes with the visit, once it is closed. No notification's id may ever come again,
  so a visit of the same number that comes later counts on from the highest version that was let go at that ward.
* Protection marks: see ``marks``.
* What ties a patient's numbers together goes when nothing of any of them is kept, and nothing was said of them for
  the keep time.

So what is kept is bounded by what is open, what was said in the keep time, and how many persons are protected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from router.core.announce import retire_told
from router.core.facts import Fact, microseconds
from router.core.held_visit import Visit
from router.core.keys import VisitKey
from router.core.marks import keep_marks_of, retire_marks
from router.core.output_records import OutputRecords
from router.core.recognise import write
from router.core.state import Realm
from router.core.visit import Fold
from schemas.encounter import Phase

SWEPT: Final = 200
"""Things of each kind that a tick looks at: some 20 ms; 500 ticks look at 100,000 visits."""
Each = TypeVar("Each")


def is_over(realm: Realm, at: VisitKey, fold: Fold, horizon: datetime) -> bool:
    """Whether nothing has been said of the visit since ``horizon`` and nothing is awaited or announced any more."""
    if realm.is_announced(at):
        return False
    if fold.ahead.facts or fold.last is None or fold.last[0][0] >= microseconds(horizon):
        return False
    return fold.ended or (fold.phase is Phase.PLANNED and fold.awaits_patient_in is None)


def drop(realm: Realm, outbox: OutputRecords, visit: Visit, horizon: datetime) -> None:
    """Forget a visit that is over."""
    keep_marks_of(realm, outbox, visit)
    said, named = _said_of_numbers(visit)
    forget_visit(realm, outbox, visit)
    for number in named:
        if not _forget_numbers(realm, outbox, visit.source, number, horizon):
            _keep_said(realm, outbox, visit.source, (f for f in said if f.patient == number))


def forget_visit(realm: Realm, outbox: OutputRecords, visit: Visit) -> None:
    """Forget a visit, and what wards were told of it but for what is open."""
    for key in realm.drop(visit):
        outbox.state(key, None)
    outbox.no_encounter(visit)
    for name in realm.told_of(visit.at):
        if realm.told[name].backing is None:
            retire_told(realm, outbox, name)


def sweep(realm: Realm, outbox: OutputRecords, now: datetime, keep: timedelta) -> None:
    """Forget what is not to be kept, of the next things in turn."""
    horizon = now - keep
    for at in _next(realm.unswept.visits, realm.visits):
        visit = realm.visits.get(at)
        if visit is not None and is_over(realm, at, visit.glance(), horizon):
            drop(realm, outbox, visit, horizon)
    for source, patient in _next(realm.unswept.persons, realm.everyone_described()):
        retire_marks(realm, outbox, source, patient, microseconds(horizon))
    for source, number in _next(realm.unswept.numbers, realm.every_number()):
        _forget_numbers(realm, outbox, source, number, horizon)


def _next(waiting: list[Each], everything: Iterable[Each]) -> Iterator[Each]:
    """The next ones in turn; when all have had theirs, everything that is there by then."""
    if not waiting:
        waiting.extend(everything)
    chosen = list(islice(reversed(waiting), SWEPT))
    del waiting[len(waiting) - len(chosen) :]
    return iter(chosen)


def _said_of_numbers(visit: Visit) -> tuple[list[Fact], list[str]]:
    """The facts that say that numbers are one patient's, and every number that the visit names."""
    facts = list(visit.facts())
    numbers = {number for fact in facts for number in (fact.patient, *fact.others)}
    return [fact for fact in facts if fact.others], sorted(numbers)


def _forget_numbers(
    realm: Realm, outbox: OutputRecords, source: str, number: str, horizon: datetime
) -> bool:
    """Untie a number and all that hang together with it, if nothing of them is kept; whether it is untied."""
    numbers = realm.numbers_of(source)
    if not numbers.bonds.is_held(number):
        return True
    if realm.keeps(number):  # nearly always
        return False
    together = numbers.connected(number)
    if any(map(realm.keeps, together)):
        return False
    if numbers.bonds.last_at(together) >= microseconds(horizon):
        return False
    write(realm, outbox, source, numbers.forget(together))
    return True


def _keep_said(realm: Realm, outbox: OutputRecords, source: str, facts: Iterable[Fact]) -> None:
    """Keep what a visit had said of numbers that are still tied."""
    bonds = realm.numbers_of(source).bonds
    for fact in facts:
        for number in fact.others:
            if bonds.has(number, fact.patient):
                row = bonds.extend(number, fact.patient, fact.order)
                if row is not None:
                    outbox.state(realm.key("number", source, number, fact.patient), row)
