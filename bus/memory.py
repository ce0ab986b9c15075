"""The log in memory: for tests and for looking at one input. Durable while the process lives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from bus.local import LocalLog
from bus.port import LogError, Record, Stored, TopicPartition
from schemas.topics import TOPICS, Topic


class MemoryLog(LocalLog):
    """Lists under one lock; ``on_done`` is called by the submitting thread."""

    def __init__(self, partitions: int = 1, table: Sequence[Topic] = TOPICS) -> None:
        super().__init__(partitions, table)
        self._records: dict[TopicPartition, list[Stored]] = {
            at: [] for at in self._partitions_of(list(self.topics))
        }
        self._positions: dict[str, dict[TopicPartition, int]] = {}
        self._closed = False

    def _enqueue(
        self,
        group: str,
        positions: Mapping[TopicPartition, int],
        records: Sequence[Record],
        on_done: Callable[[LogError | None], None],
    ) -> None:
        with self._changed:
            if self._closed:
                raise LogError("the log is closed")
            for record in records:
                self._add(record)
            if positions:
                self._positions.setdefault(group, {}).update(positions)
            self._changed.notify_all()
        on_done(None)

    def _add(self, record: Record) -> None:
        at = TopicPartition(record.topic, self.partition_of(record.topic, record.route))
        stored = self._records[at]
        now_ms = time.time_ns() // 1_000_000
        stored.append(Stored(*at, len(stored), record.key, record.value, record.headers, now_ms))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        return dict(self._positions.get(group, {}))

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        return {p: len(self._records[TopicPartition(topic, p)]) for p in range(self._partitions)}

    def starts(self, topic: str) -> Mapping[int, int]:
        """Always zero: nothing is ever removed."""
        return dict.fromkeys(range(self.partitions(topic)), 0)

    def _fetch(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        return self._records[at][offset : offset + limit]

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port."""
        newest = {stored.key: stored for stored in self._records[at]}
        return iter([stored for stored in newest.values() if stored.value is not None])

    def close(self) -> None:
        """See the port."""
        self._closed = True
