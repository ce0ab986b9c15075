"""Readers that wait for new records, by partition: a commit wakes only those.

The writer's thread looks after each commit; whoever begins to wait looks for itself, after it is
known to the writer, so that nothing can come between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple


class Waiter(NamedTuple):
    """``wake`` is called once, from any thread, when a slot has a record at or after ``seen``."""

    seen: Mapping[int, int]
    wake: Callable[[], None]


class Waiters:
    """All who wait on one log. ``ends``: the offset after the last record, by slot, kept current."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        self._ends = ends
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, Waiter] = {}

    def add(self, who: Hashable, waiting: Waiter) -> None:
        """Wait, in place of what the same one waited for before."""
        with self._lock:
            self._waiting[who] = waiting
        self.look()

    def drop(self, who: Hashable) -> None:
        """Wait no longer."""
        with self._lock:
            self._waiting.pop(who, None)

    def look(self) -> None:
        """Wake everybody for whom something has come."""
        if not self._waiting:
            return
        with self._lock:
            due = [who for who, waiting in self._waiting.items() if self._is_ahead(waiting.seen)]
            woken = [self._waiting.pop(who) for who in due]
        for waiting in woken:
            waiting.wake()

    def _is_ahead(self, seen: Mapping[int, int]) -> bool:
        ends = self._ends
        return any(ends[slot] > offset for slot, offset in seen.items())
