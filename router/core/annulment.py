"""Which events of a visit never happened: A12, A13, A25 and their like.

A cancel that names a movement (IHE PAM, ZBE-1) annuls the event of its kind with that movement,
wherever the two sort. Any other cancel annuls the latest event of its kind that sorts before it
and is not annulled yet; one that was told as of the past only where there is no other, as it is not
so now. One that names a movement nobody has heard of passes over events that carry another
movement's id, which it certainly does not mean. Whatever was told of an annulled movement goes
with it. What was said anew before it took effect (``restating``) is meant as it was said
last. A cancel that is told again cancels nothing more.

Cost: as much as sorting the facts, however many of them are cancels (``standing_events``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from router.core.facts import CANCELS, Fact, Order
from router.core.standing_events import OF_ANY_KIND, Name, StandingEvents, by_movement
from schemas.observation import What

ANNULS: Final[Mapping[What, What]] = {
    What.TRANSFER_CANCELLED: What.TRANSFERRED,
    What.DISCHARGE_CANCELLED: What.DISCHARGED,
    What.DISCHARGE_PLAN_CANCELLED: What.DISCHARGE_PLANNED,
    What.TRACKING_CANCELLED: What.TRACKED,
    What.DEPARTURE_CANCELLED: What.DEPARTED,
}
_KINDS: Final = {what: frozenset({kind}) for what, kind in ANNULS.items()}
_MOVEMENTS: Final = frozenset(What) - CANCELS - {What.UPDATED, What.DESCRIBED}
_NO_KIND: Final[frozenset[What]] = frozenset()


def cancels(fact: Fact) -> frozenset[What]:
    """The kinds of event that a fact may annul: none for most."""
    if fact.cancels_movement and fact.what in OF_ANY_KIND:
        return _MOVEMENTS
    return _KINDS.get(fact.what, _NO_KIND)


def annulled(facts: Sequence[Fact]) -> frozenset[str]:
    """Ids of the annulled among a visit's facts, which are given in order."""
    cancelling = [fact for fact in facts if cancels(fact)]
    if not cancelling:  # nearly always
        return frozenset()
    told = by_movement(fact for fact in facts if fact.movement is not None)
    heard = _Heard(cancelling if any(fact.retells for fact in cancelling) else ())
    struck: set[Name] = set()
    loose: list[Fact] = []
    for cancel in cancelling:
        named = _named(told, cancel)
        struck.update(named)
        if not named and cancel.what in ANNULS and not heard.knows(cancel):
            loose.append(cancel)
    gone = {fact_id for name in struck for fact_id in told[name]}
    return frozenset(gone | _latest_before(facts, loose, gone))


def _named(told: Mapping[Name, Sequence[str]], cancel: Fact) -> list[Name]:
    """How the cancel names what was told of its movement."""
    if cancel.movement is None:
        return []
    names: list[Name] = [(cancel.movement, kind) for kind in (*cancels(cancel), None)]
    return [name for name in names if name in told]


class _Heard:
    """The cancels of a visit that are no repetitions."""

    def __init__(self, cancelling: Iterable[Fact]) -> None:
        self._named: set[tuple[What, str | None]] = set()
        self._first: dict[tuple[What, bool], Order] = {}
        for fact in cancelling:
            if not fact.retells:
                self._named.add((fact.what, fact.movement))
                kind = fact.what, fact.movement is not None
                self._first[kind] = min(fact.order, self._first.get(kind, fact.order))

    def knows(self, again: Fact) -> bool:
        """Whether a cancel is told again, and one that it may tell again is held itself."""
        if not again.retells:
            return False
        if (again.what, again.movement) in self._named:
            return True
        is_named = (False,) if again.movement is not None else (False, True)
        first = [self._first.get((again.what, each)) for each in is_named]
        return any(order is not None and order < again.order for order in first)


def _latest_before(facts: Sequence[Fact], loose: Sequence[Fact], gone: set[str]) -> set[str]:
    """What cancels annul that name nothing which was heard of."""
    if not loose:
        return set()
    standing = StandingEvents(facts, {ANNULS[cancel.what] for cancel in loose}, set(gone))
    for cancel in loose:
        standing.take_back(cancel, ANNULS[cancel.what])
    return standing.gone


def may_mean(teller: Fact, event: Fact) -> bool:
    """Whether a cancel or correction may mean the event, by the movements that they name."""
    return teller.movement is None or event.movement is None
