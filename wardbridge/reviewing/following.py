"""Reads what is new in some compacted topics since the last look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bus.port import Log, LogError, Stored, TopicPartition

SCAN_RECORDS: Final = 1_000


class TopicFollower:
    """Gives each record kept once, oldest first in each partition. For one thread."""

    def __init__(self, log: Log, topics: Sequence[str]) -> None:
        self._log = log
        self._topics = topics
        self._next: dict[TopicPartition, int] = {}

    def look(self) -> Iterator[Stored]:
        """All that is written by now and was not given yet. Raises LogError."""
        for topic in self._topics:
            for partition, end in self._log.written(topic).items():
                yield from self._unread(TopicPartition(topic, partition), end)

    def wait(self, wait_s: float) -> None:
        """Until there is something new, or the time is over."""
        self._log.wait(self._topics, self._next, wait_s)

    def begin_again(self) -> None:
        """Give everything once more."""
        self._next.clear()

    def _unread(self, at: TopicPartition, end: int) -> Iterator[Stored]:
        if end < self._next.get(at, 0):
            raise LogError(f"{at.topic}/{at.partition} was made anew since it was read: restart")
        while (offset := self._next.get(at, 0)) < end:
            records = self._log.scan(at, offset, SCAN_RECORDS)
            for stored in records:
                yield stored
                self._next[at] = stored.offset + 1
            if not records:
                self._next[at] = end
