"""Which events of a visit never happened: A12, A13, A25 and their like.

A cancel that names a movement (IHE PAM, ZBE-1) annuls the event of its kind with that movement,
wherever the two sort. Any other cancel annuls the latest event of its kind that sorts before it
and is not annulled yet; one that names a movement nobody has heard of passes over events that
carry another movement's id, which it certainly does not mean. Whatever was told of an annulled
movement goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from router.core.facts import Fact
from schemas.observation import What

ANNULS: Final[Mapping[What, What]] = {
    What.TRANSFER_CANCELLED: What.TRANSFERRED,
    What.DISCHARGE_CANCELLED: What.DISCHARGED,
    What.DISCHARGE_PLAN_CANCELLED: What.DISCHARGE_PLANNED,
}
_MOVEMENTS: Final = frozenset(
    {What.ADMITTED, What.TRANSFERRED, What.DISCHARGED, What.DISCHARGE_PLANNED}
)


def cancels(fact: Fact) -> frozenset[What]:
    """The kinds of event that a fact may annul: none for most."""
    if fact.what in ANNULS:
        return frozenset({ANNULS[fact.what]})
    if fact.cancels_movement and fact.what is What.UPDATED:
        return _MOVEMENTS
    return frozenset()


def annulled(facts: Sequence[Fact]) -> frozenset[str]:
    """Ids of the annulled among a visit's facts, which are given in order."""
    gone: set[str] = set()
    loose: list[int] = []
    for place, fact in enumerate(facts):
        kinds = cancels(fact)
        named = _named(facts, fact, kinds) if kinds else set()
        gone |= named
        if kinds and not named:
            loose.append(place)
    for place in loose:
        gone |= _latest_before(facts, place, gone)
    return frozenset(gone)


def _named(facts: Sequence[Fact], cancel: Fact, kinds: frozenset[What]) -> set[str]:
    """All that was told of the movement that a cancel names."""
    if cancel.movement is None:
        return set()
    told = (fact for fact in facts if fact.movement == cancel.movement)
    return {fact.id for fact in told if fact.what in kinds or fact.is_of_history}


def _latest_before(facts: Sequence[Fact], place: int, gone: set[str]) -> set[str]:
    cancel, before = facts[place], facts[:place]
    kind = ANNULS.get(cancel.what)
    for fact in reversed(before):
        if fact.what is kind and fact.id not in gone and _may_mean(cancel, fact):
            return {fact.id} | _named(before, fact, frozenset({kind}))
    return set()


def _may_mean(cancel: Fact, event: Fact) -> bool:
    return cancel.movement is None or event.movement is None
