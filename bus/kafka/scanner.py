"""Reads partitions without a group, from an offset on.

An empty answer is a promise: all that had been *written* to the partition when the call began has
been looked at, also what belonged to a transaction still open then. A commit shows itself partition
by partition; so whoever has seen one of its records in one topic, and then scans another until it
is empty, has seen the rest of that commit too. (``wardbridge.readmodels.log_follower`` relies on it.)
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kafka import KafkaConsumer

from bus.kafka.errors import translating
from bus.kafka.member import ALL, REACH_WITHIN_S, stored
from bus.kafka.offsets import OffsetLookup
from bus.port import LogError, PositionLostError, Stored, TopicPartition

POLL_S: Final = 0.05
READ_AHEAD_RECORDS: Final = 5_000  # of a partition that nobody asks for at the moment
SCANNING: Final = "scanning"


class Scanner:
    """One client and what it has read ahead. Calls of several threads follow one another."""

    def __init__(
        self, make: Callable[[], KafkaConsumer], lookup: OffsetLookup, settle_within_s: float
    ) -> None:
        self._lookup = lookup
        self._settle_within_s = settle_within_s
        self._lock = threading.Lock()
        self._consumer = make()
        self._next: dict[TopicPartition, int] = {}  # where each caller goes on
        self._ahead: dict[TopicPartition, deque[Stored]] = {}

    def scan(
        self, at: TopicPartition, offset: int, limit: int, start: Callable[[], int]
    ) -> Sequence[Stored]:
        """Up to ``limit`` records from ``offset`` on; ``start`` gives the oldest kept."""
        with self._lock, translating(SCANNING):
            self._go_to(at, offset)
            try:
                self._catch_up(at)
            except PositionLostError:
                raise PositionLostError(
                    f"{at.topic}/{at.partition}: offset {offset} is gone, "
                    f"the oldest kept is {start()}"
                ) from None
            return self._take(at, limit)

    def wait(self, seen: Mapping[TopicPartition, int], wait_s: float) -> bool:
        """Whether a record at or after one of the offsets is there, or comes in time."""
        deadline = time.monotonic() + wait_s
        with self._lock, translating(SCANNING):
            for at, offset in seen.items():
                self._go_to(at, offset)
            self._pause_all_but(seen)
            while not any(self._ahead[at] for at in seen):
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return self._reaches(self._lookup.ends(seen))
                self._poll(min(POLL_S, remaining_s))
        return True

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            self._consumer.close(autocommit=False, timeout_ms=1000)

    # -- how, under the lock ----------------------------------------------------------------------

    def _go_to(self, at: TopicPartition, offset: int) -> None:
        if self._next.get(at) == offset:
            return
        if self._has_passed(at, offset):
            self._next[at] = offset
            return
        if at not in self._next:
            self._consumer.assign([self._lookup.place(each) for each in (*self._next, at)])
        self._consumer.seek(self._lookup.place(at), offset)
        self._next[at] = offset
        self._ahead[at] = deque()

    def _has_passed(self, at: TopicPartition, offset: int) -> bool:
        """Whether the client is beyond the offset and there was no record before it: nothing to seek."""
        known = self._next.get(at)
        return (
            known is not None and known < offset and not self._ahead[at]
            and self._position(at) >= offset
        )  # fmt: skip

    def _catch_up(self, at: TopicPartition) -> None:
        """Have a record of the partition, or have seen all that is written to it by now."""
        if self._ahead[at]:
            return
        self._pause_all_but([at])
        written = self._lookup.written([at])[at]
        deadline = time.monotonic() + self._settle_within_s
        while not self._ahead[at] and self._position(at) < written:
            if time.monotonic() > deadline:
                raise LogError(
                    f"{at.topic}/{at.partition}: a transaction is still open after "
                    f"{self._settle_within_s:.0f} s, since {self._position(at)}"
                )
            self._poll(POLL_S)

    def _reaches(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether a record lies before one of the ends: fetched now, or not there."""
        deadline = time.monotonic() + REACH_WITHIN_S
        while not any(self._ahead[at] for at in ends):
            if all(self._position(at) >= end for at, end in ends.items()):
                return False
            if time.monotonic() > deadline:
                raise LogError(f"records are there that do not come within {REACH_WITHIN_S:.0f} s")
            self._poll(POLL_S)
        return True

    def _pause_all_but(
        self, wanted: Sequence[TopicPartition] | Mapping[TopicPartition, int]
    ) -> None:
        for at, ahead in self._ahead.items():
            place = self._lookup.place(at)
            if at not in wanted and len(ahead) >= READ_AHEAD_RECORDS:
                self._consumer.pause(place)
            else:
                self._consumer.resume(place)

    def _poll(self, wait_s: float) -> None:
        found = self._consumer.poll(timeout_ms=1000 * wait_s, max_records=ALL)
        for place, records in found.items():
            at = self._lookup.ours(place)
            self._ahead[at].extend(stored(at, each) for each in records)

    def _position(self, at: TopicPartition) -> int:
        position = self._consumer.position(self._lookup.place(at), timeout_ms=1000)
        return self._next[at] if position is None else position

    def _take(self, at: TopicPartition, limit: int) -> list[Stored]:
        ahead = self._ahead[at]
        found = [ahead.popleft() for _ in range(min(limit, len(ahead)))]
        if found:
            self._next[at] = found[-1].offset + 1
        return found
