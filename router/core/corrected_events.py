"""Finds the event that a correction means: that with its movement's id, else the latest before it without one.

Corrections ask in the order in which they were said, so what was said before the last one that asked is
passed over once: all of them together cost as much as sorting the events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

from router.core.facts import CANCELS, Fact, Order
from schemas.observation import What

PLAN: Final = frozenset({What.ADMISSION_PLANNED, What.TRANSFER_PLANNED})
MOVE: Final = frozenset({What.ADMITTED, What.TRANSFERRED})
Kind = frozenset[What] | What


def kind(fact: Fact) -> Kind:
    """What may be told of one event, though it is called otherwise, is of one kind."""
    if fact.what in MOVE or (fact.what is What.UPDATED and fact.historic):
        return MOVE
    return PLAN if fact.what in PLAN else fact.what


class CorrectedEvents:
    """The events that corrections may mean."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._coming = sorted(facts, key=lambda fact: fact.order, reverse=True)
        self._named: defaultdict[tuple[str, Kind | None], list[Fact]] = defaultdict(list)
        self._latest: dict[tuple[Kind, bool], tuple[Order, Fact]] = {}
        for fact in self._coming:
            self._name(fact)

    def add(self, lost: Fact) -> None:
        """A correction of which the original was lost stands for it: those said later may mean it."""
        self._name(lost)
        self._pass(lost)

    def meant_by(self, again: Fact) -> Sequence[Fact]:
        """What a correction means: of what has no such movement, the latest in the history.

        To be called in the order in which the corrections were said.
        """
        names_none = again.what is What.CORRECTED  # it does not say of what kind its event is
        named = self._with_movement(again.movement, None if names_none else kind(again))
        return named or (() if names_none else self._latest_before(again))

    def _name(self, fact: Fact) -> None:
        if fact.movement is None:
            return
        self._named[fact.movement, kind(fact)].append(fact)
        if fact.what not in CANCELS and fact.what is not What.DESCRIBED:
            self._named[fact.movement, None].append(fact)

    def _with_movement(self, movement: str | None, of_kind: Kind | None) -> Sequence[Fact]:
        return () if movement is None else self._named.get((movement, of_kind), ())

    def _latest_before(self, again: Fact) -> Sequence[Fact]:
        while self._coming and self._coming[-1].order < again.order:
            self._pass(self._coming.pop())
        is_named = (False,) if again.movement is not None else (False, True)
        latest = [self._latest.get((kind(again), each)) for each in is_named]
        found = [each for each in latest if each is not None]
        return [max(found, key=itemgetter(0))[1]] if found else ()

    def _pass(self, fact: Fact) -> None:
        """It was said before whatever is asked for from now on."""
        name, place = (kind(fact), fact.movement is not None), fact.stands
        latest = self._latest.get(name)
        if latest is None or latest[0] < place:
            self._latest[name] = place, fact
