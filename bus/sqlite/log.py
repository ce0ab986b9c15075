"""The SQLite engine of the one writing process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bus.durable import flush
from bus.local import OnDone, Write
from bus.port import TopicPartition
from bus.sqlite import schema
from bus.sqlite.errors import opening
from bus.sqlite.lock import WriterLock
from bus.sqlite.reader import SqliteReader
from bus.sqlite.timing import SYSTEM_TIMING, Timing
from bus.sqlite.waiters import Waiter, Waiters
from bus.sqlite.writer import Item, Writer
from schemas.topics import TOPICS, Topic


class SqliteLog(SqliteReader):
    """The log in the file ``path``, for reading and writing.

    Raises LogBusyError when another process writes it, LogError for a file that is damaged, newer
    than this version, or made for another number of partitions.
    """

    writable = True

    def __init__(
        self,
        path: Path,
        partitions: int = 1,
        table: Sequence[Topic] = TOPICS,
        timing: Timing = SYSTEM_TIMING,
    ) -> None:
        with ExitStack() as undo:
            path = path.resolve()
            connection = _opened(path, partitions, table, undo)
            super().__init__(path, table)
            with opening(path):
                self._ends = {s: schema.end_of(connection, s) for s in self._slots.values()}
            kept = {slot: self.topics[at.topic].retention_s for at, slot in self._slots.items()}
            self.waiters = Waiters(self._ends)
            by_time = {slot: seconds for slot, seconds in kept.items() if seconds is not None}
            self._writer = Writer(connection, self._ends, by_time, self._publish, timing)
            self._release = undo.pop_all()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        partitions: int = 1,
        table: Sequence[Topic] = TOPICS,
        timing: Timing = SYSTEM_TIMING,
    ) -> Self:
        """Open or make the log."""
        return cls(path, partitions, table, timing)

    @staticmethod
    def open_readonly(path: Path, *, table: Sequence[Topic] = TOPICS) -> SqliteReader:
        """Open for reading only, beside the process that writes."""
        return SqliteReader(path, table)

    @property
    def clock_ahead_s(self) -> float:
        """How far the clock is ahead of the time that retention goes by; 0 where it is not."""
        return self._writer.seen.clock_ahead_ms / 1000

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port; known without asking the file."""
        places = [TopicPartition(topic, p) for p in range(self.partitions(topic))]
        with self._changed:
            return {at.partition: self._ends[self._slots[at]] for at in places}

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """See the port; woken by the writer, and only by what is waited for."""
        woken = threading.Event()
        here = {self._slots[at]: self._next(seen, at) for at in self._partitions_of(topics)}
        self.waiters.add(woken, Waiter(here, woken.set))
        try:
            return woken.wait(wait_s)
        finally:
            self.waiters.drop(woken)

    def _enqueue(self, write: Write, on_done: OnDone) -> None:
        self._writer.put(Item(self._entry(write), on_done))

    def put(self, item: Item) -> None:
        """Write what an attached process has checked and drafted (``bus.sqlite.serving``)."""
        self._writer.put(item)

    def _publish(self, ends: Mapping[int, int]) -> None:
        with self._changed:
            self._ends.update(ends)
        self.waiters.look()

    def close(self) -> None:
        """See the port."""
        self._writer.stop()
        super().close()
        self._release.close()


def _opened(
    path: Path, partitions: int, table: Sequence[Topic], undo: ExitStack
) -> sqlite3.Connection:
    with opening(path):
        undo.callback(WriterLock(path).release)
        connection = schema.connect_writer(path)
        undo.callback(connection.close)
        schema.prepare(connection, partitions, table)
        flush(path.parent)
    return connection
