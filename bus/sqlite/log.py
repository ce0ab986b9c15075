"""The SQLite engine: one writer (``writer.py``) and any number of readers of the same file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from bus.local import LocalLog
from bus.port import LogError, Record, Stored, TopicPartition
from bus.sqlite import schema
from bus.sqlite.lock import WriterLock
from bus.sqlite.upkeep import Plan
from bus.sqlite.writer import Item, Writer, as_log_error
from schemas.topics import TOPICS, Topic

FOLLOW_INTERVAL_S: Final = 0.1  # how often a reader in another process looks for news
_RANGE: Final = (
    "SELECT id, key, value, headers, at_ms FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)
_UNLIMITED: Final = -1


class SqliteLog(LocalLog):
    """A log in the file ``path``; make it with :meth:`open` or :meth:`open_readonly`."""

    def __init__(
        self, path: Path, partitions: int, table: Sequence[Topic], *, read_only: bool
    ) -> None:
        super().__init__(partitions, table)
        self.path = path
        self._read_only = read_only
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer: Writer | None = None
        self._lock = None if read_only else WriterLock(path)
        self._closed = False
        try:
            self._start()
        except sqlite3.Error as error:
            self._release()
            raise LogError(f"{path}: {error}") from error
        except BaseException:
            self._release()
            raise

    @classmethod
    def open(cls, path: Path, *, partitions: int = 1, table: Sequence[Topic] = TOPICS) -> Self:
        """Open for reading and writing. Raises LogBusyError when another process writes."""
        return cls(path, partitions, table, read_only=False)

    @classmethod
    def open_readonly(
        cls, path: Path, *, partitions: int = 1, table: Sequence[Topic] = TOPICS
    ) -> Self:
        """Open beside a writer in another process, for reading only."""
        return cls(path, partitions, table, read_only=True)

    def _start(self) -> None:
        connection = schema.connect(self.path, read_only=self._read_only)
        self._connections.append(connection)
        if not self._read_only:
            schema.prepare(connection, self.path)
            self._add_slots(connection)
        self._slots = schema.slots(connection)
        self._check_partitions()
        self._ends = {slot: _end(connection, slot) for slot in self._slots.values()}
        if not self._read_only:
            plan = Plan({slot: self.topics[t].retention_s for (t, _), slot in self._slots.items()})
            ends = dict(self._ends)
            self._writer = Writer(connection, ends, self._slot_for, plan, self._publish)

    def _add_slots(self, connection: sqlite3.Connection) -> None:
        if not connection.execute("SELECT 1 FROM slot LIMIT 1").fetchone():
            for at in self._partitions_of(list(self.topics)):
                connection.execute("INSERT INTO slot (topic, partition) VALUES (?, ?)", at)
        known = schema.slots(connection)
        for topic in self.topics:  # topics that a newer version added
            for partition in range(self._partitions):
                if (topic, 0) not in known:
                    connection.execute(
                        "INSERT INTO slot (topic, partition) VALUES (?, ?)", (topic, partition)
                    )

    def _check_partitions(self) -> None:
        found = 1 + max((p for _, p in self._slots), default=-1)
        if found != self._partitions:
            raise LogError(
                f"{self.path} has {found} partitions and {self._partitions} are configured: "
                "partitions cannot be changed in place"
            )

    def _slot_for(self, record: Record) -> int:
        return self._slots[record.topic, self.partition_of(record.topic, record.route)]

    def _publish(self, ends: Mapping[int, int]) -> None:
        with self._changed:
            self._ends.update(ends)
            self._changed.notify_all()

    def _enqueue(
        self,
        group: str,
        positions: Mapping[TopicPartition, int],
        records: Sequence[Record],
        on_done: Callable[[LogError | None], None],
    ) -> None:
        if self._writer is None or self._closed:
            raise LogError(f"{self.path} is closed, or open for reading only")
        self._writer.put(Item(group, positions, records, on_done))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        names = {slot: TopicPartition(*at) for at, slot in self._slots.items()}
        rows = self._query("SELECT slot, next FROM position WHERE reader = ?", group)
        return {names[slot]: offset for slot, offset in rows}

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        slots = {p: self._slots[topic, p] for p in range(self.partitions(topic))}
        if self._read_only:
            connection = self._connection()
            return {p: _end(connection, slot) for p, slot in slots.items()}
        return {p: self._ends[slot] for p, slot in slots.items()}

    def starts(self, topic: str) -> Mapping[int, int]:
        """See the port; zero for compacted topics, whose holes are no loss."""
        self._known(topic)
        return dict(self._query("SELECT partition, start FROM slot WHERE topic = ?", topic))

    def _fetch(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        return list(self._range(at, offset, limit))

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port. What compaction left is what is there."""
        return (s for s in self._range(at, 0, _UNLIMITED) if s.value is not None)

    def _range(self, at: TopicPartition, offset: int, limit: int) -> Iterator[Stored]:
        slot = self._slots[at]
        low, high = schema.first_id(slot, offset), schema.first_id(slot + 1)
        for row_id, key, value, headers, at_ms in self._query(_RANGE, low, high, limit):
            parsed = schema.headers_from_text(headers)
            yield Stored(*at, schema.offset_of(row_id), key, value, parsed, at_ms)

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """See the port; a reader of another process's file looks every tenth of a second."""
        if not self._read_only:
            return super().wait(topics, seen, wait_s)
        rounds = max(1, round(wait_s / FOLLOW_INTERVAL_S))
        return any(
            super(SqliteLog, self).wait(topics, seen, wait_s / rounds) for _ in range(rounds)
        )

    def close(self) -> None:
        """See the port."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._writer.stop()
        self._release()

    def _release(self) -> None:
        for connection in self._connections:
            connection.close()
        if self._lock is not None:
            self._lock.release()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self._closed:
                raise LogError(f"{self.path} is closed")
            connection = schema.connect(self.path, read_only=True)
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def _query(self, sql: str, *values: object) -> Iterator[Any]:
        try:
            yield from self._connection().execute(sql, values)
        except sqlite3.Error as error:
            raise as_log_error(error) from error


def _end(connection: sqlite3.Connection, slot: int) -> int:
    low, high = schema.first_id(slot), schema.first_id(slot + 1)
    last = connection.execute(
        "SELECT max(id) FROM record WHERE id >= ? AND id < ?", (low, high)
    ).fetchone()[0]
    floor: int = connection.execute("SELECT floor FROM slot WHERE id = ?", (slot,)).fetchone()[0]
    return max(floor, schema.offset_of(last) + 1 if last is not None else 0)
