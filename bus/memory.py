"""The log in memory: for tests and for looking at one input. Durable while the process lives.

Compaction and retention are not emulated by themselves: a follower of a compacted topic sees every
record, and :meth:`MemoryLog.forget` does what retention would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bus.local import Clock, LocalLog, OnDone, Owners, Write, system_clock_ms, tell
from bus.port import LogError, Record, Stored, TopicPartition
from schemas.topics import TOPICS, Topic


class MemoryLog(LocalLog):
    """Lists under one lock; ``on_done`` is called by the submitting thread."""

    def __init__(
        self,
        partitions: int = 1,
        table: Sequence[Topic] = TOPICS,
        clock_ms: Clock = system_clock_ms,
    ) -> None:
        super().__init__(partitions, table)
        self._clock_ms = clock_ms
        everywhere = list(self._partitions_of(list(self.topics)))
        self._records: dict[TopicPartition, list[Stored]] = {at: [] for at in everywhere}
        self._starts: dict[TopicPartition, int] = dict.fromkeys(everywhere, 0)
        self._positions: dict[str, dict[TopicPartition, int]] = {}
        self._owners = Owners()
        self._closed = False

    def beside(self) -> MemoryLog:
        """The same log, as another process would see it: with cursors and memberships of its own."""
        other = MemoryLog(self._partitions, list(self.topics.values()), self._clock_ms)
        for shared in ("_changed", "_records", "_starts", "_positions", "_owners"):
            setattr(other, shared, getattr(self, shared))
        return other

    def _enqueue(self, write: Write, on_done: OnDone) -> None:
        with self._changed:
            if self._closed:
                raise LogError("the log is closed")
            refusal = self._owners.refusal(write.group, write.member, joins=write.joins)
            if refusal is None:
                self._take(write)
        tell(on_done, refusal)

    def _take(self, write: Write) -> None:
        for record in write.records:
            self._add(record)
        if write.positions:
            self._positions.setdefault(write.group, {}).update(write.positions)
        self._changed.notify_all()

    def _add(self, record: Record) -> None:
        at = TopicPartition(record.topic, self.partition_of(record.topic, record.route))
        stored = self._records[at]
        now_ms = self._clock_ms()
        stored.append(Stored(*at, len(stored), record.key, record.value, record.headers, now_ms))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        with self._changed:
            return dict(self._positions.get(group, {}))

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        with self._changed:  # never in the middle of a commit
            return {
                p: len(self._records[TopicPartition(topic, p)])
                for p in range(self.partitions(topic))
            }

    def starts(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        with self._changed:
            return {
                p: self._starts[TopicPartition(topic, p)] for p in range(self.partitions(topic))
            }

    def forget(self, topic: str) -> None:
        """Drop every record of the topic, as retention would if all were old."""
        with self._changed:
            for partition in range(self.partitions(topic)):
                at = TopicPartition(topic, partition)
                self._starts[at] = len(self._records[at])

    def _fetch(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        with self._changed:
            first = max(offset, self._starts[at])
            return self._records[at][first : first + limit]

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port."""
        self._check_at(at)
        with self._changed:
            newest = {stored.key: stored for stored in self._records[at]}
        return iter([stored for stored in newest.values() if stored.value is not None])

    def close(self) -> None:
        """See the port."""
        with self._changed:
            self._closed = True
