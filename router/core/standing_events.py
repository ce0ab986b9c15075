"""The events that a cancel without a movement id may mean, in the order of the history.

What is gone once stays gone, and so does what was passed over because it is meant elsewhere by then:
each event is looked at once, however many cancels there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from router.core.facts import Fact, Order
from router.core.restating import replaced_at
from schemas.observation import What

OF_ANY_KIND: Final = frozenset({What.UPDATED, What.CORRECTED})
"""What is told of a movement without saying what that was; with ZBE-4 CANCEL these strike whatever has its id."""

Name = tuple[str, What | None]
"""A movement and a kind of event; None: whatever the movement is."""


class StandingEvents:
    """The events up to a place in the history, which moves on. ``gone``: ids of those that never happened."""

    def __init__(self, facts: Iterable[Fact], kinds: Container[What], gone: set[str]) -> None:
        """``kinds``: those that will be asked for."""
        self.gone = gone
        self._coming = sorted(_entries(list(facts), kinds), key=itemgetter(0), reverse=True)
        self._open: defaultdict[tuple[What, bool, bool], list[_Entry]] = defaultdict(list)
        self._told: defaultdict[Name, list[str]] = defaultdict(list)

    def take_back(self, cancel: Fact, kind: What) -> None:
        """The latest of the kind that the cancel may mean never happened, nor what was told of its movement.

        It means what is so now: a movement that was told as of the past only where there is no other.
        To be called in the order in which the cancels were said.
        """
        self._pass_to(cancel.order)
        event = self._latest(cancel, kind, of_the_past=False)
        event = event or self._latest(cancel, kind, of_the_past=True)
        if event is not None:
            self._strike(event, kind)

    def _latest(self, cancel: Fact, kind: What, *, of_the_past: bool) -> Fact | None:
        is_named = (False,) if cancel.movement is not None else (False, True)
        open_ = (self._open[kind, each, of_the_past] for each in is_named)
        latest = [left[-1] for left in (self._left(each, cancel.order) for each in open_) if left]
        return max(latest, key=itemgetter(0)).fact if latest else None

    def _pass_to(self, order: Order) -> None:
        coming = self._coming
        while coming and coming[-1].place < order:
            entry = coming.pop()
            fact = entry.fact
            self._open[fact.what, fact.movement is not None, fact.is_only_past].append(entry)
            for name in names(fact):
                self._told[name].append(fact.id)

    def _left(self, entries: list[_Entry], order: Order) -> Sequence[_Entry]:
        """Without the last ones that no later cancel can mean."""
        while entries and (entries[-1].fact.id in self.gone or entries[-1].is_left_by(order)):
            entries.pop()
        return entries

    def _strike(self, event: Fact, kind: What) -> None:
        self.gone.add(event.id)
        if event.movement is not None:
            for name in ((event.movement, kind), (event.movement, None)):
                self.gone.update(self._told.pop(name, ()))


class _Entry(NamedTuple):
    """Where an event stands for the cancels that were said up to ``until``; None: for all of them."""

    place: Order
    fact: Fact
    until: Order | None

    def is_left_by(self, order: Order) -> bool:
        """Whether a cancel of that order does not mean the event here any more."""
        return self.until is not None and self.until < order


def _entries(facts: Sequence[Fact], kinds: Container[What]) -> Iterator[_Entry]:
    """What lay ahead stands where it was said, and then where it took effect, unless it was replaced."""
    replaced = replaced_at(fact for fact in facts if fact.what in kinds)
    for fact in facts:
        if fact.what not in kinds and not is_of_any_kind(fact):
            continue
        until = replaced.get(fact.id)
        if until is None and fact.lies_ahead:
            yield _Entry(fact.stands, fact, fact.takes_effect)
            yield _Entry(fact.takes_effect, fact, None)
        else:
            yield _Entry(fact.stands, fact, until)


def by_movement(facts: Iterable[Fact]) -> Mapping[Name, Sequence[str]]:
    """Ids of what was told of each movement, by the kind of event."""
    told: defaultdict[Name, list[str]] = defaultdict(list)
    for fact in facts:
        for name in names(fact):
            told[name].append(fact.id)
    return dict(told)


def names(fact: Fact) -> Sequence[Name]:
    """How a cancel may name the fact."""
    if fact.movement is None:
        return ()
    name = fact.movement, fact.what
    return (name, (fact.movement, None)) if is_of_any_kind(fact) else (name,)


def is_of_any_kind(fact: Fact) -> bool:
    """Whether it tells of a movement, and not what that was."""
    return fact.is_of_history and fact.what in OF_ANY_KIND
