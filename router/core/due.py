"""Index of what takes effect by itself at a time, by visit: what a tick makes due.

Rows of state, beside those of ``state``:

* ``due``: source, visit: the times of the visit's facts that lay ahead when they were said, in
  microseconds, as a JSON array. They stay when they have passed: a clock that is set back needs them.
* ``behind``: the first of what is due and has not taken effect, as a JSON array of its time, source and
  visit; only while there is such.
* ``early``: what a clock that was set back had made happen too early, while it is not all undone: a JSON array
  of the two times between which it lies, and the source and visit of the first that is left.

Invariant: whatever is due and has not taken effect is in ``_heap``, and what is to be undone in ``_early``, or in
the rows that they are made from when first needed after a restart. So a restart parses these rows and no others.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from router.core.keys import VisitKey

DUE: Final = "due"
BEHIND: Final = "behind"
EARLY: Final = "early"

_Entry = tuple[int, VisitKey]
_FIRST: Final = ("", "")


class Early(NamedTuple):
    """What is due after the one time and until the other, in microseconds, from the ``first`` visit on."""

    after: int
    until: int
    first: VisitKey


class Agenda:
    """The times at which visits of one realm change by themselves.

    ``now``: the realm's clock in microseconds; 0 before the first tick.
    """

    def __init__(self) -> None:
        self.now = 0
        self._next: _Entry = _after(0)
        self._times: dict[VisitKey, tuple[int, ...]] = {}
        self._heap: list[_Entry] | None = []
        self._undoing: Early | None = None
        self._early: list[VisitKey] | None = None

    def restore_times(self, at: VisitKey, row: bytes) -> None:
        """Put a visit's committed row back."""
        self._times[at] = tuple(json.loads(row))
        self._heap = None

    def restore_clock(self, now: int) -> None:
        """Put the clock's committed row back."""
        self.now = now
        if self._next == _after(0):  # the row that says otherwise may have come before
            self._next = _after(now)
        self._heap = None

    def restore_behind(self, row: bytes) -> None:
        """Put the committed row back that says what is due and has not taken effect."""
        time, source, visit = json.loads(row)
        self._next = (time, (source, visit))
        self._heap = None

    def restore_early(self, row: bytes) -> None:
        """Put the committed row back that says what is to be undone."""
        after, until, source, visit = json.loads(row)
        self._undoing, self._early = Early(after, until, (source, visit)), None

    def add(self, at: VisitKey, time: int) -> bytes | None:
        """A visit has a fact that takes effect then; its row if that is new."""
        times = self._times.get(at, ())
        if time in times:
            return None
        self._times[at] = times = (*times, time)
        if self._heap is not None and (time, at) >= self._next:
            heapq.heappush(self._heap, (time, at))
        return _row(times)

    def drop(self, at: VisitKey) -> bool:
        """Forget a visit; whether it had a row."""
        return self._times.pop(at, None) is not None

    def pass_to(self, now: int, limit: int) -> list[VisitKey]:
        """Move on, and take out what became due: at most so many visits, the rest next time."""
        heap = self._made()
        due: dict[VisitKey, None] = {}
        while heap and heap[0][0] <= now and len(due) < limit:
            due[heapq.heappop(heap)[1]] = None
        self.now = now
        self._next = heap[0] if heap and heap[0][0] <= now else _after(now)
        return [at for at in due if at in self._times]

    def set_back(self, now: int) -> list[VisitKey]:
        """The clock was ahead: the visits of which something has not happened after all, to :meth:`undo`."""
        after, until = now, self.now
        if self._undoing is not None:
            after, until = min(after, self._undoing.after), max(until, self._undoing.until)
        self.now, self._next, self._heap = now, _after(now), None
        self._undoing, self._early = Early(after, until, _FIRST), None
        return list(self._to_undo())

    def undo(self, limit: int) -> list[VisitKey]:
        """Take out what was set back: at most so many visits, the rest next time."""
        early = self._to_undo()
        taken = [early.pop() for _ in range(min(limit, len(early)))]
        if not early:
            self._undoing = None
        elif self._undoing is not None:
            self._undoing = self._undoing._replace(first=early[-1])
        return [at for at in taken if at in self._times]

    @property
    def behind(self) -> bytes | None:
        """The row of what is due and has not taken effect, if there is such."""
        time, at = self._next
        return _row((time, *at)) if time <= self.now else None

    @property
    def early(self) -> bytes | None:
        """The row of what is to be undone, if there is such."""
        if self._undoing is None:
            return None
        after, until, first = self._undoing
        return _row((after, until, *first))

    def _to_undo(self) -> list[VisitKey]:
        """The last first."""
        if self._early is None:
            self._early = (
                sorted(self._happened(self._undoing), reverse=True) if self._undoing else []
            )
        return self._early

    def _happened(self, early: Early) -> Iterator[VisitKey]:
        for at, times in self._times.items():
            if at >= early.first and any(early.after < time <= early.until for time in times):
                yield at

    def _made(self) -> list[_Entry]:
        if self._heap is None:
            self._heap = list(self._waiting())
            heapq.heapify(self._heap)
        return self._heap

    def _waiting(self) -> Iterator[_Entry]:
        for at, times in self._times.items():
            yield from ((time, at) for time in times if (time, at) >= self._next)


def _after(time: int) -> _Entry:
    """What stands behind everything of that microsecond."""
    return (time + 1, _FIRST)


def _row(values: Sequence[int | str]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()
