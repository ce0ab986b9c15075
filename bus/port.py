"""The log port: what wardbridge needs of Kafka, of SQLite and of a log in memory.

Theory of operation
-------------------
A *topic* has a fixed number of *partitions*. A record's ``route`` picks the partition (same
route, same partition number in every topic with as many partitions), and within a partition
records have one order and growing offsets. Between partitions there is no order. Offsets need
not be dense: a transaction marker or compaction may leave holes, so "the next offset" is learnt
from the log, never computed as ``last + 1`` by a caller who has not seen a record.

* ``submit`` / ``append``: durable when acknowledged; the records of one call may become visible
  one by one (Kafka appends outside a transaction), each whole.
* ``commit``: outputs, state and input positions of a group together, all or nothing. The only
  callers are the step runner (``bus.runner``) and the snapshot feeds that supply a step.
* Readers see only committed records (read-committed).
* ``load`` gives a compacted topic's newest value for each key; a record without value (a
  tombstone) removes its key.

Errors: everything an engine raises is a :class:`LogError`; its subclasses say who must act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from schemas.topics import MAX_RECORD_BYTES, Topic

__all__ = [
    "FOREIGN_BYTES",
    "MAX_RECORD_BYTES",
    "Batch",
    "Header",
    "Log",
    "LogBusyError",
    "LogError",
    "LogFencedError",
    "LogFullError",
    "PositionLostError",
    "Record",
    "RecordTooLargeError",
    "Stored",
    "TopicPartition",
]

Header = tuple[str, bytes]

FOREIGN_BYTES: Final = "surrogateescape"
"""How a key that is not UTF-8 is decoded (PEP 383). No key of ours holds a lone surrogate, and ``submit``
refuses one, so a foreign key equals none of ours and cannot be written by mistake."""


class LogError(Exception):
    """The log could not do what was asked; nothing of the call took effect unless said."""


class LogBusyError(LogError):
    """Another process holds the log for writing: stop it, or talk to it instead."""


class LogFencedError(LogError):
    """A newer owner of this group took over: this process must end."""


class LogFullError(LogError):
    """No room on the disk (or quota): senders must be refused until there is."""


class PositionLostError(LogError):
    """A group's position lies before the oldest record kept: data was lost to this group."""


class RecordTooLargeError(LogError):
    """A record is larger than :data:`MAX_RECORD_BYTES`; refuse it at the door."""


class ForeignRowError(Exception):
    """A row of state stands under a key that no step writes: somebody else wrote it."""


class TopicPartition(NamedTuple):
    """One partition of one topic (the name in the table, without the configured prefix)."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A record to write. ``value=None`` is a tombstone (compacted topics only)."""

    topic: str
    route: str
    key: str | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


class Stored(NamedTuple):
    """A committed record as read back; ``timestamp_ms`` is when the log took it (Unix ms).

    Anybody with the right to write may have written it: a key that is not UTF-8 has its bytes as in
    :data:`FOREIGN_BYTES` (ask :attr:`is_foreign`), and a value may be anything.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp_ms: int

    @property
    def is_foreign(self) -> bool:
        """Whether the key is not UTF-8: no process of wardbridge wrote it."""
        return self.key is not None and not self.key.isascii() and _has_surrogate(self.key)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


class Batch(NamedTuple):
    """What one ``read`` gives.

    ``assigned`` is every partition number the group member holds now; when it changed since
    the previous batch, state for new partitions must be loaded before ``records`` are stepped.
    ``positions`` are to be committed once ``records`` are handled (they may lie beyond the last
    record's offset, and exist even when ``records`` is empty).
    """

    records: tuple[Stored, ...]
    positions: Mapping[TopicPartition, int]
    assigned: frozenset[int]


class Log(Protocol):
    """A partitioned, durable log. Methods may be called from any thread unless said."""

    @property
    def topics(self) -> Mapping[str, Topic]:
        """The topics table this log was opened with, by name."""
        ...

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        ...

    def partition_of(self, topic: str, route: str) -> int:
        """The partition that a route picks in the topic."""
        ...

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        """Append without waiting; ``on_done`` is called once, from a thread of the engine.

        ``None`` means durable. Called in the order of submission for one submitting thread. It
        must be quick: others wait for the same thread. (The memory engine calls it before
        ``submit`` returns.)
        Raises :class:`RecordTooLargeError` at once, before anything is queued.
        """
        ...

    def append(self, records: Sequence[Record]) -> None:
        """Append and wait until durable."""
        ...

    def read(self, group: str, topics: Sequence[str], limit: int, wait_s: float) -> Batch:
        """Up to ``limit`` committed records after the group's last *read* position.

        Waits at most ``wait_s`` for the first record. Only one thread reads for a group in a
        process. Reading advances an in-memory cursor; what was read and not committed is read
        again after :meth:`rewind` or a restart. A group has one reader for each partition: who begins
        to read takes it over, and what another had read of it cannot be committed any more, not even
        what that one had handed over to be written. A group without position starts at the oldest
        record kept; one whose position is older than that gets :class:`PositionLostError`.
        """
        ...

    def rewind(self, group: str) -> None:
        """Forget the cursor of ``read``: start again from the committed positions."""
        ...

    def leave(self, group: str) -> None:
        """Read no more for the group: what is held for it is let go of, its positions stay.

        For the thread that read, or once that has ended; reading again later is joining anew.
        """
        ...

    def settle_before_leaving(self, group: str, settle: Callable[[], None]) -> None:
        """Have ``settle`` called before partitions of the group are given to another process.

        In a thread of its own. Until it returns, or some seconds are over, they are still ours: what it
        commits counts, and need not be done again. For the process that reads, before it does.
        """
        ...

    def keep(self, group: str) -> bool:
        """Say that what was read for the group is still being worked on; False if it is not ours now.

        For the thread that reads, every few seconds while a batch takes long: who reads for a group
        and is silent for minutes counts as gone. On False, what was read may be another process's
        already, cannot be committed any more, and is read again from what is committed.
        """
        ...

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        """Outputs and state (``records``) and the group's positions, all or nothing, durable.

        Raises :class:`LogFencedError` when another process took the group over.
        """
        ...

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """The group's committed positions (next offset to read); absent where never committed."""
        ...

    def trouble(self) -> str | None:
        """What somebody has to mend although the log goes on, in words; None where all is well."""
        ...

    def identity(self, topic: str) -> str:
        """What tells the topic from one made later under its name; "" where there is no such thing."""
        ...

    def ends(self, topic: str) -> Mapping[int, int]:
        """Per partition, the offset after the last committed record."""
        ...

    def written(self, topic: str) -> Mapping[int, int]:
        """Per partition, the offset after the last record written, although its commit may not show yet.

        A commit may show in one topic before it does in another. Whoever has seen a record of it, asks
        this, and scans up to there or until nothing comes, has seen the rest of it too.
        """
        ...

    def starts(self, topic: str) -> Mapping[int, int]:
        """Per partition, the offset of the oldest record kept (equal to the end when empty)."""
        ...

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        """Up to ``limit`` committed records from ``offset`` on, without a group; may be empty.

        Raises :class:`PositionLostError` when ``offset`` is older than the oldest record kept of
        a topic that is not compacted.
        """
        ...

    def since(self, at: TopicPartition, timestamp_ms: int) -> int:
        """Offset of the first record kept that the log took at that time (Unix ms) or later.

        The end where there is none. Where a clock was set back it may be a later one than the first.
        """
        ...

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """Wait until one of the topics has a committed record at or after ``seen``; False if not."""
        ...

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """A compacted partition's newest record per key, tombstoned keys left out.

        Streamed, as of the first record given: take it in one go.
        """
        ...

    def close(self) -> None:
        """Finish what was submitted, then release everything. Idempotent."""
        ...
