"""The file: tables, connections, and how a place in the log becomes a row id.

A record's row id is ``slot * 2**44 + offset``, a slot being one partition of one topic: records
of a partition lie together in order, and both appending and reading a range are B-tree walks
without another index. ``newest`` names the one record kept of each key in compacted topics.

WAL with ``synchronous=FULL`` flushes the write-ahead log at each commit (SQLite documentation,
"PRAGMA synchronous"): what was committed survives loss of power.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bus.port import Header, LogError

SCHEMA_VERSION: Final = 1
OFFSET_BITS: Final = 44
BUSY_TIMEOUT_MS: Final = 10_000
CHECKPOINT_PAGES: Final = 4_000  # rarer, larger checkpoints: fewer stalls between commits

TABLES: Final = """
CREATE TABLE IF NOT EXISTS slot (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    start INTEGER NOT NULL DEFAULT 0,  -- oldest offset kept
    floor INTEGER NOT NULL DEFAULT 0,  -- no offset below this is ever given again
    UNIQUE (topic, partition)
);
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY, key TEXT, value BLOB, headers TEXT, at_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS newest (
    slot INTEGER NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (slot, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
    reader TEXT NOT NULL, slot INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (reader, slot)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tombstone ON record (at_ms) WHERE value IS NULL;
"""


def first_id(slot: int, offset: int = 0) -> int:
    """The row id of an offset in a slot."""
    return (slot << OFFSET_BITS) | offset


def offset_of(row_id: int) -> int:
    """The offset in a row id."""
    return row_id & ((1 << OFFSET_BITS) - 1)


def slot_of(row_id: int) -> int:
    """The slot in a row id."""
    return row_id >> OFFSET_BITS


def headers_to_text(headers: Sequence[Header]) -> str | None:
    """Headers as JSON; bytes as Latin-1, which maps each byte to one character."""
    return json.dumps([(n, v.decode("latin-1")) for n, v in headers]) if headers else None


def headers_from_text(text: str | None) -> tuple[Header, ...]:
    """The reverse of :func:`headers_to_text`."""
    return tuple((n, v.encode("latin-1")) for n, v in json.loads(text)) if text else ()


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make or check the tables. Raises LogError for a file of a newer or foreign kind."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise LogError(
            f"{path}: written by a newer wardbridge (file version {version}, this one knows "
            f"{SCHEMA_VERSION}); start that version, or restore the copy made before the upgrade"
        )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.executescript(TABLES)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def slots(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """The slot of each topic and partition in the file."""
    return {(t, p): i for i, t, p in connection.execute("SELECT id, topic, partition FROM slot")}
