"""The one writer: whatever waits becomes one transaction, and shares one flush to disk.

Commit order, the only one there is: BEGIN, all rows of all waiting items, positions, COMMIT (which
flushes), publish the new ends to readers, then tell every waiter. An item is never split. Items
are checked before they are queued, so only the disk can fail, and then it fails for all of them.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from bus.port import LogError, LogFullError, Record, TopicPartition
from bus.sqlite import schema, upkeep

MAX_ITEMS: Final = 512  # in one transaction: beyond this the flush no longer is what costs
UPKEEP_INTERVAL_S: Final = 5.0
_NO_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
_INSERT: Final = "INSERT INTO record (id, key, value, headers, at_ms) VALUES (?, ?, ?, ?, ?)"
_NEWEST: Final = "SELECT id FROM newest WHERE slot = ? AND key = ?"
_SET_NEWEST: Final = "INSERT OR REPLACE INTO newest (slot, key, id) VALUES (?, ?, ?)"
_SET_POSITION: Final = "INSERT OR REPLACE INTO position (reader, slot, next) VALUES (?, ?, ?)"

Row = tuple[int, str | None, bytes | None, str | None, int]


class Item(NamedTuple):
    """One caller's records and positions, and whom to tell."""

    group: str
    positions: Mapping[TopicPartition, int]
    records: Sequence[Record]
    on_done: Callable[[LogError | None], None]


class Writer:
    """Owns the writing connection and its thread. ``publish`` gets the new ends, by slot."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ends: dict[int, int],
        slot_for: Callable[[Record], int],
        upkeep_plan: upkeep.Plan,
        publish: Callable[[Mapping[int, int]], None],
    ) -> None:
        self._connection = connection
        self._ends = ends
        self._slot_for = slot_for
        self._slots = schema.slots(connection)
        self._upkeep = upkeep_plan
        self._publish = publish
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._next_upkeep = time.monotonic() + UPKEEP_INTERVAL_S
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue an item; its ``on_done`` is called from the writer's thread."""
        self._queue.put(item)

    def stop(self) -> None:
        """Write what was queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            items, going_on = self._take()
            if items:
                self._finish(items, self._write(items))
            self._tidy_if_due()

    def _take(self) -> tuple[list[Item], bool]:
        items: list[Item] = []
        try:
            first = self._queue.get(timeout=UPKEEP_INTERVAL_S)
            while first is not None:
                items.append(first)
                if len(items) == MAX_ITEMS:
                    return items, True
                first = self._queue.get_nowait()
        except queue.Empty:
            return items, True
        return items, False

    def _write(self, items: Sequence[Item]) -> LogError | None:
        ends: dict[int, int] = {}
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(items, ends)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return as_log_error(error)
        self._ends.update(ends)
        self._publish(ends)
        return None

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _insert(self, items: Sequence[Item], ends: dict[int, int]) -> None:
        now_ms = time.time_ns() // 1_000_000
        plain: list[Row] = []
        for item in items:
            for record in item.records:
                row = self._row(record, ends, now_ms)
                plain.append(row)
                if self._upkeep.is_compacted(schema.slot_of(row[0])):
                    self._replace_newest(row, plain)
            for at, offset in item.positions.items():
                self._connection.execute(_SET_POSITION, (item.group, self._slots[at], offset))
        self._connection.executemany(_INSERT, plain)

    def _row(self, record: Record, ends: dict[int, int], now_ms: int) -> Row:
        slot = self._slot_for(record)
        offset = ends[slot] if slot in ends else self._ends[slot]
        ends[slot] = offset + 1
        headers = schema.headers_to_text(record.headers)
        return (schema.first_id(slot, offset), record.key, record.value, headers, now_ms)

    def _replace_newest(self, row: Row, plain: list[Row]) -> None:
        # Compaction as it goes: the record that this one replaces is removed in the same
        # transaction, so that loading is a plain walk over what is there. The replaced one may
        # still wait in `plain`: both are there, then one is gone.
        slot = schema.slot_of(row[0])
        found = self._connection.execute(_NEWEST, (slot, row[1])).fetchone()
        if found is not None:
            self._connection.executemany(_INSERT, plain)
            plain.clear()
            self._connection.execute("DELETE FROM record WHERE id = ?", found)
        self._connection.execute(_SET_NEWEST, (slot, row[1], row[0]))

    def _finish(self, items: Sequence[Item], error: LogError | None) -> None:
        for item in items:
            item.on_done(error)

    def _tidy_if_due(self) -> None:
        if time.monotonic() < self._next_upkeep:
            return
        more = False
        try:
            more = upkeep.tidy(self._connection, self._upkeep, self._ends)
        except sqlite3.Error:
            self._roll_back()  # no room to tidy, or a long reader: the next round tries again
        self._next_upkeep = time.monotonic() + (0.0 if more else UPKEEP_INTERVAL_S)


def as_log_error(error: sqlite3.Error) -> LogError:
    """SQLite's error as one of ours: who must act is in its class."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _NO_ROOM:
        return LogFullError(f"no room for the log ({error}): free space on its disk")
    return LogError(f"SQLite: {error}")
