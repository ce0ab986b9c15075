"""Retention, a slice at a time, between the writer's transactions.

A slice removes at most :data:`SLICE` records, so that no writer waits long. What is removed
raises the slot's ``start``; ``floor`` remembers the end, so that no offset is ever given twice.
Tombstones of compacted topics stay for a day, for readers who follow, then go with their key.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from bus.sqlite import schema

SLICE: Final = 2_000
TOMBSTONE_KEPT_S: Final = 86_400


class Plan(NamedTuple):
    """Per slot: seconds to keep its records, or None for a compacted one."""

    retention_s: Mapping[int, int | None]

    def is_compacted(self, slot: int) -> bool:
        """Whether the slot belongs to a compacted topic."""
        return self.retention_s[slot] is None


def tidy(connection: sqlite3.Connection, plan: Plan, ends: Mapping[int, int]) -> bool:
    """Remove one slice of what is too old; True when more may wait."""
    now_ms = time.time_ns() // 1_000_000
    connection.execute("BEGIN IMMEDIATE")
    removed = sum(
        _expire(connection, slot, now_ms - 1000 * kept_s, ends[slot])
        for slot, kept_s in plan.retention_s.items()
        if kept_s is not None
    )
    removed += _drop_tombstones(connection, now_ms - 1000 * TOMBSTONE_KEPT_S, ends)
    connection.execute("COMMIT")
    return removed >= SLICE


def _expire(connection: sqlite3.Connection, slot: int, before_ms: int, end: int) -> int:
    low, high = schema.first_id(slot), schema.first_id(slot + 1)
    oldest = connection.execute(
        "SELECT id, at_ms FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (low, high, SLICE),
    )
    last = max((row_id for row_id, at_ms in oldest if at_ms < before_ms), default=None)
    if last is None:
        return 0
    cursor = connection.execute("DELETE FROM record WHERE id >= ? AND id <= ?", (low, last))
    connection.execute(
        "UPDATE slot SET start = ?, floor = ? WHERE id = ?", (schema.offset_of(last) + 1, end, slot)
    )
    return cursor.rowcount


def _drop_tombstones(
    connection: sqlite3.Connection, before_ms: int, ends: Mapping[int, int]
) -> int:
    gone = connection.execute(
        "SELECT id, key FROM record WHERE value IS NULL AND at_ms < ? LIMIT ?", (before_ms, SLICE)
    ).fetchall()
    for row_id, key in gone:
        slot = schema.slot_of(row_id)
        connection.execute("DELETE FROM newest WHERE slot = ? AND key = ?", (slot, key))
        connection.execute("DELETE FROM record WHERE id = ?", (row_id,))
        connection.execute("UPDATE slot SET floor = ? WHERE id = ?", (ends[slot], slot))
    return len(gone)
