"""Folds a long visit again at the cost of what changed, not of its whole history.

A visit is folded again whenever a fact comes that does not follow all the others. Of a long one the facts
stay parsed, what was made of them is made anew only where they changed (``fold_cache``), and a copy of the fold
is saved after every ``BLOCK`` events. What happened before the first difference to the last time is what it
was, and so is the fold of it: it is gone on with from the last copy before that.

Invariant: :meth:`VisitReplay.fold` equals ``visit.folded`` of the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from router.core.facts import Fact
from router.core.fold_cache import FoldCache, is_same
from router.core.fulfilment import Fulfilment
from router.core.history import HistoryEvent, history
from router.core.visit import Fold

BLOCK: Final = 64
"""Events between two saved copies of the fold: those of one block are folded again in a quarter of a millisecond."""


class VisitReplay:
    """A visit's facts, by id, and how they were folded the last time."""

    def __init__(self, facts: Iterable[Fact], fulfilment: Fulfilment) -> None:
        self.facts = {fact.id: fact for fact in facts}
        self._memory = FoldCache()
        self._happened: Sequence[HistoryEvent] = ()
        self._saved = [Fold(fulfilment)]

    @property
    def happened(self) -> int:
        """How much had happened the last time."""
        return len(self._happened)

    def fold(self, counting: Iterable[Fact], now: int) -> Fold:
        """What those that count amount to at a time in microseconds. The caller may go on with it."""
        happened = history(counting, self._memory)
        del self._saved[_same_blocks(self._happened, happened) + 1 :]
        fold = self._saved[-1].copy()
        for block in _blocks(happened, len(self._saved) - 1):
            fold.follow(block)
            if len(block) == BLOCK:
                self._saved.append(fold.copy())
        self._happened = happened
        fold.pass_time(now)
        return fold


def _same_blocks(before: Sequence[HistoryEvent], now: Sequence[HistoryEvent]) -> int:
    """How many whole blocks both begin with."""
    pairs = zip(_blocks(before, 0), _blocks(now, 0), strict=False)
    same = 0
    for one, other in pairs:
        if len(one) != BLOCK or len(other) != BLOCK or not all(map(_is_as_before, one, other)):
            break
        same += 1
    return same


def _is_as_before(before: HistoryEvent, now: HistoryEvent) -> bool:
    return before.annulled == now.annulled and is_same(before.fact, now.fact)


def _blocks(happened: Sequence[HistoryEvent], first: int) -> Iterator[Sequence[HistoryEvent]]:
    """From the first block on; the last one may be shorter."""
    for start in range(first * BLOCK, len(happened), BLOCK):
        yield happened[start : start + BLOCK]
