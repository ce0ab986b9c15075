"""Retention of the SQLite log, in slices between transactions.

A slice removes at most :data:`SLICE_RECORDS` records and about :data:`SLICE_BYTES`, so that no
writer waits long. What is removed raises the slot's ``start``, and its ``floor``, so that no offset
is ever given twice. Tombstones of compacted topics stay for a day, for readers who
follow, then go with their key. (Replaced records go at once: see ``writer.py``.)

The file does not shrink: freed pages are used again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from bus.sqlite import schema
from bus.sqlite.seen import SeenTime

SLICE_RECORDS: Final = 500
SLICE_BYTES: Final = 4_000_000
TOMBSTONE_KEPT_S: Final = 86_400
_OLDEST: Final = (
    "SELECT id, at_ms, length(value) FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)


def tidy(connection: sqlite3.Connection, retention_s: Mapping[int, int], seen: SeenTime) -> bool:
    """Remove one slice of what is too old; True while there was something."""
    now_ms = seen.now_ms()
    connection.execute("BEGIN IMMEDIATE")
    room = SLICE_RECORDS
    for slot, kept_s in retention_s.items():
        room -= _expire(connection, slot, now_ms - 1000 * kept_s, room)
    room -= _drop_tombstones(connection, now_ms - 1000 * TOMBSTONE_KEPT_S, room)
    seen.save_if_due()
    connection.execute("COMMIT")
    return room < SLICE_RECORDS


def _expire(connection: sqlite3.Connection, slot: int, before_ms: int, room: int) -> int:
    last = _last_due(connection, slot, before_ms, room)
    if last is None:
        return 0
    removed = connection.execute(
        "DELETE FROM record WHERE id >= ? AND id <= ?", (schema.first_id(slot), last)
    ).rowcount
    connection.execute("UPDATE slot SET start = ? WHERE id = ?", (schema.offset_of(last) + 1, slot))
    _raise_floor(connection, last)
    return removed


def _last_due(connection: sqlite3.Connection, slot: int, before_ms: int, room: int) -> int | None:
    last, size = None, 0
    limits = (schema.first_id(slot), schema.first_id(slot + 1), room)
    with closing(connection.execute(_OLDEST, limits)) as oldest:  # mostly, one look is enough
        for row_id, at_ms, length in oldest:
            if at_ms >= before_ms or size >= SLICE_BYTES:
                break
            last, size = row_id, size + length
    return last


def _drop_tombstones(connection: sqlite3.Connection, before_ms: int, room: int) -> int:
    gone = connection.execute(
        "SELECT id, key FROM record WHERE value IS NULL AND at_ms < ? LIMIT ?", (before_ms, room)
    ).fetchall()
    for row_id, key in gone:
        slot = schema.slot_of(row_id)
        connection.execute("DELETE FROM newest WHERE slot = ? AND key = ?", (slot, key))
        connection.execute("DELETE FROM record WHERE id = ?", (row_id,))
        _raise_floor(connection, row_id)
    return len(gone)


def _raise_floor(connection: sqlite3.Connection, removed: int) -> None:
    connection.execute(
        "UPDATE slot SET floor = max(floor, ?) WHERE id = ?",
        (schema.offset_of(removed) + 1, schema.slot_of(removed)),
    )
