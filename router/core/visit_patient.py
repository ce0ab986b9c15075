"""Decides whose a visit is, and which of its facts count. Pure.

The earliest of a visit's facts, in the order in which they are folded (``versions``), says whose the visit is. A fact about somebody else, by all numbers and
merges, counts as nothing, unless its sender corrects identities so: then the visit is that patient's from
there on. It is a function of the set of facts and of whose each number is, so a merge that comes later makes
facts count that did not, and no order of arrival matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.core.facts import Fact

IsSame = Callable[[str, str], bool]
"""Whether two numbers are one patient's."""


def counting(facts: Iterable[Fact], is_same: IsSame) -> list[Fact]:
    """The facts that count; given with the stamps by which they are folded, in any order."""
    found: list[Fact] = []
    for fact in sorted(facts, key=lambda fact: fact.order):
        if not found or counts(fact, found[-1].patient, is_same):
            found.append(fact)
    return found


def counts(fact: Fact, patient: str, is_same: IsSame) -> bool:
    """Whether a fact counts in a visit that is this patient's when it is said."""
    return fact.patient == patient or fact.corrects or is_same(fact.patient, patient)
