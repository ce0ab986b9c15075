"""The writer: all pending writes become one transaction with one flush to disk.

Commit order, the only one there is: BEGIN, all rows of all waiting items, their positions, COMMIT
(which flushes), publish the new ends to readers, then tell every waiter. An item is never split.
Who joins a group waits its turn like every other item: what its predecessor put before is durable by
then, and what comes later of it is refused (``bus.local``).
Items are checked before they are queued, so what fails is nearly always the disk, and then for all
of them; an item with a value that SQLite cannot take fails alone.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import structlog

from bus.local import OnDone, Owners, tell
from bus.port import LogError
from bus.sqlite import schema, upkeep
from bus.sqlite.errors import as_log_error, concerns_the_file
from bus.sqlite.seen import SeenTime
from bus.sqlite.timing import Timing

MAX_RECORDS: Final = 2_000
"""In one transaction, unless one item has more: the flush is no longer what costs."""

MAX_BYTES: Final = 16_000_000
"""In one transaction: the first to wait should not wait for everybody."""

_INSERT: Final = "INSERT INTO record (id, at_ms, key, headers, value) VALUES (?, ?, ?, ?, ?)"
_NEWEST: Final = "SELECT id FROM newest WHERE slot = ? AND key = ?"
_SET_NEWEST: Final = "INSERT OR REPLACE INTO newest (slot, key, id) VALUES (?, ?, ?)"
_DELETE: Final = "DELETE FROM record WHERE id = ?"
_SET_POSITION: Final = "INSERT OR REPLACE INTO position (reader, slot, next) VALUES (?, ?, ?)"

Row = tuple[int, int, str | None, str | None, bytes | None]  # as in _INSERT


Draft = tuple[int, str | None, str | None, bytes | None]
"""Slot, key, headers and value of a record that has no offset yet: a plain tuple, as processes
hand many of them to one another (``bus.sqlite.attached``)."""


class WriteEntry(NamedTuple):
    """One caller's records and positions by slot, their size in bytes, and who commits or joins."""

    drafts: Sequence[Draft]
    size: int
    group: str
    positions: Mapping[int, int]
    member: str
    joins: bool


class Item(NamedTuple):
    """What is to be written, and whom to tell."""

    entry: WriteEntry
    on_done: OnDone


class Writer:
    """Owns the writing connection and its thread. ``publish`` gets the new ends, by slot.

    ``retention_s`` has the slots that are kept by time; all others are compacted.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        ends: Mapping[int, int],
        retention_s: Mapping[int, int],
        publish: Callable[[Mapping[int, int]], None],
        timing: Timing,
    ) -> None:
        self._connection = connection
        self._ends = dict(ends)
        self._retention_s = retention_s
        self._publish = publish
        self._timing = timing
        self.seen = SeenTime(connection, timing)
        self._next_tidy = time.monotonic() + timing.first_tidy_s
        self._owners = Owners()
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._accepting = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue an item; its ``on_done`` is called from the writer's thread."""
        with self._accepting:
            if self._stopped:
                raise LogError("the log is closed")
            self._queue.put(item)

    def stop(self) -> None:
        """Write what was queued, then end the thread."""
        with self._accepting:
            self._stopped = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._refuse_the_rest()

    def _refuse_the_rest(self) -> None:
        # Nobody is left when the thread ends as it should; if it ever does not, nobody may hang.
        with self._accepting:
            self._stopped = True
        with suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    tell(item.on_done, LogError("the log's writer has ended"))

    def _serve(self) -> None:
        going_on = True
        while going_on:
            items, going_on = self._take()
            if admitted := [item for item in items if self._admits(item)]:
                self._settle(admitted)
            self._tidy_if_due()

    def _take(self) -> tuple[list[Item], bool]:
        """What waits, as far as one transaction goes; False when there will be no more."""
        items: list[Item] = []
        records = size = 0
        try:
            item = self._queue.get(timeout=max(0.0, self._next_tidy - time.monotonic()))
            while item is not None:
                items.append(item)
                records, size = records + len(item.entry.drafts), size + item.entry.size
                if records >= MAX_RECORDS or size >= MAX_BYTES:
                    return items, True
                item = self._queue.get_nowait()
        except queue.Empty:
            return items, True
        return items, False

    def _admits(self, item: Item) -> bool:
        """Whether its group is not another's by now; what was put before is settled before it."""
        entry = item.entry
        refusal = self._owners.refusal(entry.group, entry.member, joins=entry.joins)
        if refusal is not None:
            tell(item.on_done, refusal)
        return refusal is None

    def _settle(self, items: Sequence[Item]) -> None:
        fault = self._write(items)
        if fault is not None and len(items) > 1 and not concerns_the_file(fault):
            for item in items:
                self._settle([item])
            return
        error = None if fault is None else as_log_error(fault)
        for item in items:
            tell(item.on_done, error)

    def _write(self, items: Sequence[Item]) -> Exception | None:
        ends: dict[int, int] = {}
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(items, ends)
            self._connection.execute("COMMIT")
        except Exception as fault:  # noqa: BLE001 - the supervisor: the writer outlives any item
            self._roll_back()
            return fault
        self._ends.update(ends)
        self._publish(ends)
        return None

    def _roll_back(self) -> None:
        # SQLite itself rolls back when the disk is full. If this fails, so does the next BEGIN,
        # which tells its waiters.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _insert(self, items: Sequence[Item], ends: dict[int, int]) -> None:
        now_ms = self._timing.clock_ms()
        waiting: list[Row] = []
        for entry, _ in items:
            for slot, key, headers, value in entry.drafts:
                row_id = self._next_id(slot, ends)
                waiting.append((row_id, now_ms, key, headers, value))
                if slot not in self._retention_s:
                    self._replace_newest(slot, key, row_id, waiting)
            for slot, offset in entry.positions.items():
                self._connection.execute(_SET_POSITION, (entry.group, slot, offset))
        self._connection.executemany(_INSERT, waiting)

    def _next_id(self, slot: int, ends: dict[int, int]) -> int:
        offset = ends[slot] if slot in ends else self._ends[slot]
        ends[slot] = offset + 1
        return schema.first_id(slot, offset)

    def _replace_newest(self, slot: int, key: str | None, row_id: int, waiting: list[Row]) -> None:
        # Compaction as it goes: the record that this one replaces is removed in the same
        # transaction, so that loading is a plain walk over what is there. The replaced one may
        # still be in `waiting`: both are written, then one is removed.
        replaced = self._connection.execute(_NEWEST, (slot, key)).fetchone()
        if replaced is not None:
            self._connection.executemany(_INSERT, waiting)
            waiting.clear()
            self._connection.execute(_DELETE, replaced)
        self._connection.execute(_SET_NEWEST, (slot, key, row_id))

    def _tidy_if_due(self) -> None:
        if time.monotonic() < self._next_tidy:
            return
        more = False
        try:
            more = upkeep.tidy(self._connection, self._retention_s, self.seen)
        except sqlite3.Error as error:  # no room to tidy, or a long reader: the next round
            structlog.get_logger().warning("tidying_put_off", error=str(error))
            self._roll_back()
        self._next_tidy = time.monotonic() + (0.0 if more else self._timing.tidy_interval_s)
