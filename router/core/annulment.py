"""Which events of a visit never happened: A12, A13, A25 and their like.

A cancel that names a movement (IHE PAM, ZBE-1) annuls the event of its kind with that movement,
wherever the two sort. Any other cancel annuls the latest event of its kind that sorts before it
and is not annulled yet; one that names a movement nobody has heard of passes over events that
carry another movement's id, which it certainly does not mean. Whatever was told of an annulled
movement goes with it. What was said anew before it took effect (``restating``) is meant as it was said
last. A cancel that is told again cancels nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from router.core.facts import CANCELS, Fact
from router.core.restating import replaced_by
from schemas.observation import What

ANNULS: Final[Mapping[What, What]] = {
    What.TRANSFER_CANCELLED: What.TRANSFERRED,
    What.DISCHARGE_CANCELLED: What.DISCHARGED,
    What.DISCHARGE_PLAN_CANCELLED: What.DISCHARGE_PLANNED,
    What.TRACKING_CANCELLED: What.TRACKED,
    What.DEPARTURE_CANCELLED: What.DEPARTED,
}
_OF_ANY_KIND: Final = frozenset({What.UPDATED, What.CORRECTED})
"""With ZBE-4 CANCEL these strike whatever has the movement's id."""


def cancels(fact: Fact) -> frozenset[What]:
    """The kinds of event that a fact may annul: none for most."""
    if fact.what in ANNULS:
        return frozenset({ANNULS[fact.what]})
    if fact.cancels_movement and fact.what in _OF_ANY_KIND:
        return _MOVEMENTS
    return frozenset()


_MOVEMENTS: Final = frozenset(What) - CANCELS - {What.UPDATED, What.DESCRIBED}


def annulled(facts: Sequence[Fact]) -> frozenset[str]:
    """Ids of the annulled among a visit's facts, which are given in order."""
    gone: set[str] = set()
    loose: list[Fact] = []
    for fact in facts:
        kinds = cancels(fact)
        named = _named(facts, fact, kinds) if kinds else set()
        gone |= named
        if kinds and not named and not (fact.retells and _is_known(facts, fact)):
            loose.append(fact)
    for fact in loose:
        gone |= _latest_before(facts, fact, gone)
    return frozenset(gone)


def _named(facts: Iterable[Fact], cancel: Fact, kinds: frozenset[What]) -> set[str]:
    """All that was told of the movement that a cancel names."""
    if cancel.movement is None:
        return set()
    told = (fact for fact in facts if fact.movement == cancel.movement)
    return {fact.id for fact in told if fact.what in kinds or _is_of_any_kind(fact)}


def _is_of_any_kind(fact: Fact) -> bool:
    return fact.is_of_history and fact.what in _OF_ANY_KIND


def _is_known(facts: Iterable[Fact], again: Fact) -> bool:
    """Whether the cancel that is told again is held itself."""
    return any(
        fact.what is again.what
        and not fact.retells
        and (
            fact.movement == again.movement or (may_mean(again, fact) and fact.order < again.order)
        )
        for fact in facts
    )


def _latest_before(facts: Sequence[Fact], cancel: Fact, gone: set[str]) -> set[str]:
    kind = ANNULS.get(cancel.what)
    before = [fact for fact in facts if fact.stands < cancel.order]
    out = gone | replaced_by(before, before)
    before.sort(key=lambda fact: _place(fact, cancel))
    for fact in reversed(before):
        if fact.what is kind and fact.id not in out and may_mean(cancel, fact):
            return {fact.id} | _named(before, fact, frozenset({kind}))
    return set()


def _place(fact: Fact, cancel: Fact) -> tuple[object, ...]:
    """Where it stands for a cancel: what lay ahead, when it took effect if it had by then."""
    return fact.takes_effect if fact.takes_effect < cancel.order else fact.stands


def may_mean(teller: Fact, event: Fact) -> bool:
    """Whether a cancel or correction may mean the event, by the movements that they name."""
    return teller.movement is None or event.movement is None
