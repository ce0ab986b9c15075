"""Visits that may be one: of the same patient and with the same number, but not the same assigner.

The form of a visit's id, ``NUMBER@ASSIGNER`` or ``NUMBER``, is the adapters' (``adapters.common.visits``).
"""

from __future__ import annotations

from collections.abc import Iterator

from router.core.facts import Fact
from router.core.kept import Visit
from router.core.state import Realm


def bare_number(visit: str) -> str:
    """The number alone, as it stands in the id."""
    return visit.partition("@")[0]


def is_with_assigner(visit: str) -> bool:
    """Whether somebody said who gave the number."""
    return "@" in visit


def twins_of(realm: Realm, visit: Visit, fact: Fact) -> Iterator[Visit]:
    """The other visits of the fact's patient, at the same source, that have the visit's number."""
    number = bare_number(visit.visit)
    for patient in realm.numbers_of(visit.source).connected(fact.patient):
        for at in realm.by_patient.get(patient, ()):
            if at[0] == visit.source and at != visit.at and bare_number(at[1]) == number:
                yield realm.visits[at]
