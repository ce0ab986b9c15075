"""What the engines of one machine share: validation, group cursors, waiting.

A group's *cursor* is where its next ``read`` goes on; its *committed position* is where it would
start again. Both are next offsets. Every partition is assigned to the one reader of a group.

Who reads for a group, or commits for one, has *joined* it, as one member with a name that nobody had
before. Whoever joins last owns the group, and commits of an earlier member are refused, also those
that it had handed over before it was killed: a successor has joined before it asks for positions, and
everything handed over before that is durable by then. So no write of a predecessor can repeat its own.

A ``read`` merges its partitions by the time at which the log took the records, so that a group
which was away catches up in about the order in which it would have followed: a tick of this
morning does not overtake what was said last night.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from heapq import merge
from itertools import islice
from operator import attrgetter
from types import MappingProxyType
from typing import ClassVar, NamedTuple
from uuid import uuid4
from zlib import crc32

import structlog

from bus.belonging import check_reaches
from bus.checks import check, known
from bus.port import (
    Batch,
    LogError,
    LogFencedError,
    PositionLostError,
    Record,
    Stored,
    TopicPartition,
)
from schemas.topics import Topic

OnDone = Callable[[LogError | None], None]
Clock = Callable[[], int]


def system_clock_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Write(NamedTuple):
    """What is written in one transaction: checked records, and the positions of a group.

    ``member``: who commits for the group, or joins it (``joins``), which writes nothing.
    """

    records: Sequence[Record]
    size: int
    group: str = ""
    positions: Mapping[TopicPartition, int] = MappingProxyType({})
    member: str = ""
    joins: bool = False


class Owners:
    """Who joined each group last. Kept by whoever writes: with that process all members end."""

    def __init__(self) -> None:
        self._members: dict[str, str] = {}

    def refusal(self, group: str, member: str, *, joins: bool) -> LogFencedError | None:
        """Why a commit of a group comes too late, if so; whoever joins never does."""
        if joins:
            self._members[group] = member
        if not group or self._members.get(group) == member:
            return None
        return LogFencedError(f"another process took over {group}: this one must end")


class LocalLog(ABC):
    """Base of the memory and SQLite engines: ``bus.port.Log`` over a few abstract calls."""

    writable: ClassVar[bool] = True

    def __init__(self, partitions: int, table: Sequence[Topic]) -> None:
        self.topics: Mapping[str, Topic] = {topic.name: topic for topic in table}
        self._partitions = partitions
        self._cursors: dict[str, dict[TopicPartition, int]] = {}
        self._members: dict[str, str] = {}
        self._changed = threading.Condition()

    # -- what an engine supplies ------------------------------------------------------------

    @abstractmethod
    def _enqueue(self, write: Write, on_done: OnDone) -> None:
        """Write everything in one transaction, then call ``on_done``; all of it was checked."""

    @abstractmethod
    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""

    @abstractmethod
    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""

    def written(self, topic: str) -> Mapping[int, int]:
        """See the port: a commit shows everywhere at once."""
        return self.ends(topic)

    def trouble(self) -> str | None:
        """See the port."""
        return None

    def identity(self, topic: str) -> str:
        """See the port: a topic lives as long as its log."""
        known(self.topics, topic)
        return ""

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
        known(self.topics, topic)
        return self._partitions

    def partition_of(self, topic: str, route: str) -> int:
        """CRC-32 of the route, modulo the number of partitions."""
        return crc32(route.encode()) % self.partitions(topic)

    def submit(self, records: Sequence[Record], on_done: OnDone) -> None:
        """Append without waiting; see the port."""
        self._enqueue(Write(records, check(self.topics, records)), on_done)

    def append(self, records: Sequence[Record]) -> None:
        """Append and wait until durable."""
        self._write(Write(records, check(self.topics, records)))

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        """Outputs, state and positions together; see the port."""
        for at in positions:
            self._check_at(at)
        size = check(self.topics, records)
        self._write(Write(records, size, group, positions, self._joined(group)))

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        """Committed records from ``offset`` on, without a group; see the port."""
        self._check_at(at)
        records = self._fetch(at, offset, limit)
        # Asked after fetching: what went meanwhile is noticed.
        if not self.topics[at.topic].compacted and (not records or records[0].offset > offset):
            self._check_kept(at, offset)
        return records

    def since(self, at: TopicPartition, timestamp_ms: int) -> int:
        """See the port; by halves, for the log takes records in the order of time."""
        self._check_at(at)
        low, high = self.starts(at.topic)[at.partition], self.ends(at.topic)[at.partition]
        while low < high:
            middle = (low + high) // 2
            found = self._fetch(at, middle, 1)
            if found and found[0].offset < high and found[0].timestamp_ms < timestamp_ms:
                low = found[0].offset + 1
            else:
                high = middle
        return low

    def read(self, group: str, topics: Sequence[str], limit: int, wait_s: float) -> Batch:
        """Up to ``limit`` records, oldest first; see the port."""
        cursor = self._cursor(group, topics)
        self.wait(topics, cursor, wait_s)
        ends = {at: self.ends(at.topic)[at.partition] for at in self._partitions_of(topics)}
        for at, end in ends.items():
            check_reaches(at, cursor[at], end)
        ahead = [at for at, end in ends.items() if cursor[at] < end]
        fetched = {at: self.scan(at, cursor[at], limit) for at in ahead}
        oldest_first = merge(*fetched.values(), key=attrgetter("timestamp_ms"))
        found = tuple(islice(oldest_first, limit))
        taken = Counter(TopicPartition(stored.topic, stored.partition) for stored in found)
        moved = {
            at: _after(records, taken[at], ends[at] if len(records) < limit else 0)
            for at, records in fetched.items()
            if taken[at] or not records
        }
        cursor.update(moved)
        return Batch(found, moved, frozenset(range(self._partitions)))

    def settle_before_leaving(self, group: str, settle: Callable[[], None]) -> None:  # noqa: B027 - nothing to do
        """Partitions are given to nobody else on one machine."""

    def keep(self, group: str) -> bool:  # noqa: ARG002 - the port's
        """Nobody else reads for a group on one machine."""
        return True

    def rewind(self, group: str) -> None:
        """Forget the cursor: read again from the committed positions."""
        self._cursors.pop(group, None)

    def leave(self, group: str) -> None:
        """Forget the cursor and the membership, which is all that is held."""
        self.rewind(group)
        self._members.pop(group, None)

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """Wait for a record at or after ``seen``; see the port."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ahead(topics, seen), wait_s)

    # -- how ----------------------------------------------------------------------------------

    def _joined(self, group: str) -> str:
        """Our name as the group's member; joins it first, and waits for what was handed over before."""
        member = self._members.get(group)
        if member is None:
            member = uuid4().hex
            self._write(Write((), 0, group, member=member, joins=True))
            self._members[group] = member
        return member

    def _write(self, write: Write) -> None:
        done: Future[LogError | None] = Future()
        self._enqueue(write, done.set_result)
        error = done.result()
        if error is not None:
            raise error

    def _check_at(self, at: TopicPartition) -> None:
        if not 0 <= at.partition < self.partitions(at.topic):
            raise LogError(f"{at.topic!r} has no partition {at.partition}")

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

    def _cursor(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
        cursor = self._cursors.get(group)
        if cursor is None:
            if self.writable:  # who only looks takes nothing over
                self._joined(group)  # before the positions are asked for
            cursor = self._cursors[group] = dict(self.committed(group))
        for at in self._partitions_of(topics):
            cursor[at] = self._next(cursor, at)
        return cursor

    def _next(self, seen: Mapping[TopicPartition, int], at: TopicPartition) -> int:
        # Who has no position starts at the oldest record kept.
        return seen[at] if at in seen else self.starts(at.topic)[at.partition]

    def _is_ahead(self, topics: Sequence[str], seen: Mapping[TopicPartition, int]) -> bool:
        return any(
            end > self._next(seen, TopicPartition(topic, partition))
            for topic in topics
            for partition, end in self.ends(topic).items()
        )


def tell(on_done: OnDone, error: LogError | None) -> None:
    """Call a waiter. Its own failure (an event loop already closed, say) is its own affair."""
    try:
        on_done(error)
    except Exception as fault:  # noqa: BLE001 - one waiter's fault must not silence the others
        structlog.get_logger().error("waiter_failed", error=type(fault).__name__)


def _after(records: Sequence[Stored], taken: int, end: int) -> int:
    # Who took all there was has seen everything up to `end`, holes included, and perhaps more: what
    # was committed after `end` was asked for. (`end` is 0 where more may have been there to fetch.)
    last = records[taken - 1].offset + 1 if taken else 0
    return max(last, end) if taken == len(records) else last
