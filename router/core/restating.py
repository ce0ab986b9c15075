"""Replaces an event that lies ahead by a later statement of the same event.

A visit has one discharge and one admission ahead, and one transfer to each destination. A statement of the
same replaces the one before it that has not taken effect, and takes it along when it is cancelled: who
is not to leave at three does not leave at two either.

Cost: as much as sorting the facts, and nothing where none lies ahead, as nearly always.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from router.core.facts import Fact, Order
from schemas.observation import What


class Whereabouts(NamedTuple):
    """The ward where somebody lies, and the one that is responsible."""

    place: str | None
    responsible: str | None


Subject = tuple[What, Whereabouts | None]
"""What a statement tells of: its kind, and of a transfer the destination."""


def destination(fact: Fact) -> Whereabouts:
    """Where a movement leads."""
    place = fact.claims.place
    return Whereabouts(place.ward if place else None, fact.claims.responsible_ward)


def subject(fact: Fact) -> Subject:
    """Two statements of one subject tell of one event."""
    return fact.what, destination(fact) if fact.what is What.TRANSFERRED else None


def says_the_same(fact: Fact, earlier: Fact) -> bool:
    """Whether both tell of one event."""
    return fact.what is earlier.what and subject(fact) == subject(earlier)


def replaced_by(later: Iterable[Fact], facts: Iterable[Fact]) -> set[str]:
    """Ids of those that lay ahead when one of the others said the same anew."""
    ahead = [fact for fact in facts if fact.lies_ahead]
    told = _by_subject(later) if ahead else {}
    return {
        fact.id for fact in ahead if (same := told.get(subject(fact))) and same.while_ahead(fact)
    }


def replaced_at(facts: Iterable[Fact]) -> Mapping[str, Order]:
    """By the id of each that lay ahead when others said the same anew: the first place of those."""
    facts = list(facts)
    ahead = [fact for fact in facts if fact.lies_ahead]
    told = _by_subject(facts) if ahead else {}
    places = {fact.id: told[subject(fact)].first_place(fact) for fact in ahead}
    return {fact_id: place for fact_id, place in places.items() if place is not None}


def _by_subject(facts: Iterable[Fact]) -> Mapping[Subject, _Statements]:
    told: defaultdict[Subject, list[Fact]] = defaultdict(list)
    for fact in facts:
        told[subject(fact)].append(fact)
    return {about: _Statements(each) for about, each in told.items()}


class _Statements:
    """The statements of one event, in the order in which they were said."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        said = sorted(facts, key=lambda fact: fact.order)
        self._orders = [fact.order for fact in said]
        self._places = [fact.stands for fact in said]
        self._minima: _Minima | None = None

    def while_ahead(self, fact: Fact) -> bool:
        """Whether one was said while the fact lay ahead."""
        start, end = self._range(fact)
        return start < end

    def first_place(self, fact: Fact) -> Order | None:
        """The first place in the history of those that were said while the fact lay ahead.

        One that tells of the past stands before it was said, perhaps even before the fact.
        """
        start, end = self._range(fact)
        if start >= end:
            return None
        if self._minima is None:
            self._minima = _Minima(self._places)
        return self._minima.of(start, end)

    def _range(self, fact: Fact) -> tuple[int, int]:
        return bisect_right(self._orders, fact.order), bisect_left(self._orders, fact.takes_effect)


class _Minima:
    """The smallest of any run of a sequence, from those of runs of 1, 2, 4, 8 … (a sparse table)."""

    def __init__(self, values: Sequence[Order]) -> None:
        self._of_runs = [values]
        length = 1
        while 2 * length <= len(values):
            shorter = self._of_runs[-1]
            self._of_runs.append([*map(min, shorter, shorter[length:])])
            length *= 2

    def of(self, start: int, end: int) -> Order:
        """From ``start`` up to, not including, ``end``, which comes after it."""
        level = (end - start).bit_length() - 1
        runs = self._of_runs[level]
        return min(runs[start], runs[end - (1 << level)])
