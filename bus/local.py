"""What the engines of one machine share: checks at the door, group cursors, waiting.

A group's *cursor* is where its next ``read`` goes on; its *committed position* is where it would
start again. Both are next offsets. Every partition is assigned to the one reader of a group.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from zlib import crc32

from bus.port import (
    Batch,
    LogError,
    PositionLostError,
    Record,
    RecordTooLargeError,
    Stored,
    TopicPartition,
)
from schemas.topics import MAX_RECORD_BYTES, TOPICS, Topic


def size_of(record: Record) -> int:
    """Bytes that count against the limit: key, value and headers."""
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or "") + len(record.value or b"") + headers


class LocalLog(ABC):
    """Base of the memory and SQLite engines; implements ``bus.port.Log`` on five abstract calls."""

    def __init__(self, partitions: int = 1, table: Sequence[Topic] = TOPICS) -> None:
        self.topics: Mapping[str, Topic] = {topic.name: topic for topic in table}
        self._partitions = partitions
        self._cursors: dict[str, dict[TopicPartition, int]] = {}
        self._changed = threading.Condition()

    # -- what an engine supplies ------------------------------------------------------------

    @abstractmethod
    def _enqueue(
        self,
        group: str,
        positions: Mapping[TopicPartition, int],
        records: Sequence[Record],
        on_done: Callable[[LogError | None], None],
    ) -> None:
        """Write everything in one transaction, then call ``on_done``."""

    @abstractmethod
    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""

    @abstractmethod
    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""

    @abstractmethod
    def starts(self, topic: str) -> Mapping[int, int]:
        """See the port."""

    @abstractmethod
    def _fetch(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        """Committed records from ``offset`` on."""

    @abstractmethod
    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port."""

    @abstractmethod
    def close(self) -> None:
        """See the port."""

    # -- the port ---------------------------------------------------------------------------

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        self._known(topic)
        return self._partitions

    def partition_of(self, topic: str, route: str) -> int:
        """CRC-32 of the route, modulo the number of partitions."""
        return crc32(route.encode()) % self.partitions(topic)

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        """Append without waiting; see the port."""
        self._check(records)
        self._enqueue("", {}, records, on_done)

    def append(self, records: Sequence[Record]) -> None:
        """Append and wait until durable."""
        self._check(records)
        self._write("", {}, records)

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        """Outputs, state and positions together; see the port."""
        self._check(records)
        self._write(group, positions, records)

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        """Committed records from ``offset`` on, without a group; see the port."""
        self._known(at.topic)
        if not self.topics[at.topic].compacted:
            self._check_kept(at, offset)
        return self._fetch(at, offset, limit)

    def read(self, group: str, topics: Sequence[str], limit: int, wait_s: float) -> Batch:
        """Up to ``limit`` records, topics in the order named; see the port."""
        cursor = self._cursors.get(group)
        if cursor is None:
            cursor = self._cursors[group] = dict(self.committed(group))
        self.wait(topics, self._seen(cursor, topics), wait_s)
        found: list[Stored] = []
        moved: dict[TopicPartition, int] = {}
        for at in self._partitions_of(topics):
            self._advance(cursor, at, limit - len(found), found, moved)
        return Batch(tuple(found), moved, frozenset(range(self._partitions)))

    def rewind(self, group: str) -> None:
        """Forget the cursor: read again from the committed positions."""
        self._cursors.pop(group, None)

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """Wait for a record at or after ``seen``; see the port."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ahead(topics, seen), wait_s)

    # -- how ----------------------------------------------------------------------------------

    def _write(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        done: Future[LogError | None] = Future()
        self._enqueue(group, positions, records, done.set_result)
        error = done.result()
        if error is not None:
            raise error

    def _known(self, topic: str) -> Topic:
        try:
            return self.topics[topic]
        except KeyError:
            raise LogError(f"there is no topic {topic!r} in the topics table") from None

    def _check(self, records: Sequence[Record]) -> None:
        for record in records:
            topic = self._known(record.topic)
            if size_of(record) > MAX_RECORD_BYTES:
                raise RecordTooLargeError(
                    f"a record for {record.topic!r} has {size_of(record)} bytes; "
                    f"{MAX_RECORD_BYTES} are allowed"
                )
            if topic.compacted and record.key is None:
                raise LogError(f"a record for the compacted topic {record.topic!r} needs a key")
            if record.value is None and not topic.compacted:
                raise LogError(f"{record.topic!r} is not compacted: a tombstone means nothing")

    def _check_kept(self, at: TopicPartition, offset: int) -> None:
        start = self.starts(at.topic)[at.partition]
        if offset < start:
            raise PositionLostError(
                f"{at.topic}/{at.partition}: offset {offset} is gone, the oldest kept is {start}"
            )

    def _partitions_of(self, topics: Sequence[str]) -> Iterator[TopicPartition]:
        for topic in topics:
            for partition in range(self.partitions(topic)):
                yield TopicPartition(topic, partition)

    def _seen(
        self, cursor: Mapping[TopicPartition, int], topics: Sequence[str]
    ) -> dict[TopicPartition, int]:
        return {at: cursor.get(at, 0) for at in self._partitions_of(topics)}

    def _is_ahead(self, topics: Sequence[str], seen: Mapping[TopicPartition, int]) -> bool:
        return any(
            end > seen.get(TopicPartition(topic, partition), 0)
            for topic in topics
            for partition, end in self.ends(topic).items()
        )

    def _advance(
        self,
        cursor: dict[TopicPartition, int],
        at: TopicPartition,
        room: int,
        found: list[Stored],
        moved: dict[TopicPartition, int],
    ) -> None:
        end = self.ends(at.topic)[at.partition]
        start = cursor.get(at)
        if start is None:  # a group without position starts at the oldest record kept
            start = self.starts(at.topic)[at.partition]
        if room <= 0 or start >= end:
            return
        records = self.scan(at, start, room)
        found += records
        cursor[at] = moved[at] = _after(records, room, end)


def _after(records: Sequence[Stored], room: int, end: int) -> int:
    # A full batch ends where its last record does; a short one has seen everything up to `end`,
    # and more, if records were committed since `end` was asked for.
    last = records[-1].offset + 1 if records else 0
    return last if len(records) == room else max(last, end)
