"""Finds visits that may be one: of one source, with the same number and other assigners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from router.core.facts import Fact
from router.core.held_visit import Visit
from router.core.keys import VisitKey, bare_number, is_with_assigner
from router.core.state import Realm


class HeldFact(NamedTuple):
    """A fact as a visit holds it."""

    visit: Visit
    fact: Fact


def is_named_twice(realm: Realm, visit: Visit, number: str) -> bool:
    """Whether another visit of the patient has its number with an assigner, and this one without, or so."""
    patient = realm.numbers_of(visit.source).connected(number)
    return any(
        is_with_assigner(twin.visit) != is_with_assigner(visit.visit)
        and not patient.isdisjoint(twin.patients)
        for twin in _twins_of(realm, visit.at)
    )


def are_named_twice(realm: Realm, source: str, number: str) -> bool:
    """Whether a patient has two visits of the number, one with an assigner and one without."""
    twins = list(realm.numbered(source, bare_number(number)))
    return len(twins) > 1 and any(
        is_named_twice(realm, visit, patient) for visit in twins for patient in visit.patients
    )


def held_elsewhere(realm: Realm, at: VisitKey, fact: Fact) -> HeldFact | None:
    """The fact as another reading of it put it into another visit, and maybe to another patient."""
    for twin in _twins_of(realm, at):
        held = twin.known(fact.id)
        if held is not None:
            return HeldFact(twin, held)
    return None


def _twins_of(realm: Realm, at: VisitKey) -> Iterator[Visit]:
    source, number = at
    for twin in realm.numbered(source, bare_number(number)):
        if twin.at != at:
            yield twin
