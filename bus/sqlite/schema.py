"""The database file: tables, connections, and the row id of a place in the log.

A record's row id is ``slot * 2**44 + offset``, a slot being one partition of one topic: records
of a partition lie together in order, and both appending and reading a range are B-tree walks
without another index. ``newest`` names the one record kept of each key in compacted topics. A
record's value comes last, so that its time is read without walking through a large value.

WAL with ``synchronous=FULL`` flushes the write-ahead log at each commit (SQLite documentation,
"PRAGMA synchronous"): what was committed survives loss of power.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from bus.port import FOREIGN_BYTES, Header, LogError, TopicPartition
from bus.version import check_version
from schemas.topics import LOG_VERSION, Topic

APPLICATION_ID: Final = 0x77626C67  # "wblg" (SQLite documentation, "PRAGMA application_id")
OFFSET_BITS: Final = 44
SYNCHRONOUS: Final = "FULL"
BUSY_TIMEOUT_MS: Final = 10_000
CHECKPOINT_PAGES: Final = 4_000  # rarer, larger checkpoints: fewer stalls between commits
CACHE_KIB: Final = 64 * 1024  # of the writer: state rows are replaced all over their tables
WAL_KEPT_BYTES: Final = 64 * 1024 * 1024  # what a long reader made it grow beyond is given back

TABLES: Final = """
CREATE TABLE slot (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    compacted INTEGER NOT NULL,
    start INTEGER NOT NULL DEFAULT 0,  -- oldest offset kept
    floor INTEGER NOT NULL DEFAULT 0,  -- no offset below this is ever given again
    UNIQUE (topic, partition)
);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, key TEXT, headers TEXT, value BLOB
);
CREATE TABLE newest (
    slot INTEGER NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (slot, key)
) WITHOUT ROWID;
CREATE TABLE position (
    reader TEXT NOT NULL, slot INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (reader, slot)
) WITHOUT ROWID;
CREATE TABLE seen (id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL);
CREATE INDEX tombstone ON record (at_ms) WHERE value IS NULL;
"""

END: Final = (
    "SELECT max(floor, coalesce((SELECT max(id) + 1 - ? FROM record WHERE id >= ? AND id < ?), 0))"
    " FROM slot WHERE id = ?"
)

_KIND: Final = (
    "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
)

Slots = dict[TopicPartition, int]


def first_id(slot: int, offset: int = 0) -> int:
    """The row id of an offset in a slot."""
    return (slot << OFFSET_BITS) | offset


def offset_of(row_id: int) -> int:
    """The offset in a row id."""
    return row_id & ((1 << OFFSET_BITS) - 1)


def slot_of(row_id: int) -> int:
    """The slot in a row id."""
    return row_id >> OFFSET_BITS


@lru_cache(maxsize=256)  # the same few feeds and types, in every record
def headers_to_text(headers: tuple[Header, ...]) -> str | None:
    """Headers as JSON; bytes as Latin-1, which maps each byte to one character."""
    return json.dumps([(n, v.decode("latin-1")) for n, v in headers]) if headers else None


@lru_cache(maxsize=256)
def headers_from_text(text: str | None) -> tuple[Header, ...]:
    """The reverse of :func:`headers_to_text`."""
    return tuple((n, v.encode("latin-1")) for n, v in json.loads(text)) if text else ()


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _text
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection


def _text(stored: bytes) -> str:
    """Text of a column, also where another program put bytes there that are not UTF-8."""
    return stored.decode("utf-8", FOREIGN_BYTES)


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read; SQLite would let others."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def connect_writer(path: Path) -> sqlite3.Connection:
    """The writing connection; makes the file, which only its owner may read."""
    with contextlib.suppress(FileExistsError):
        make_private(path)
    connection = connect(path, read_only=False)
    try:
        _version(connection)  # before anything is changed in a file that may not be ours
        connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_KEPT_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, partitions: int, table: Sequence[Topic]) -> None:
    """Make or check the tables and add new topics, all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    if not _version(connection):
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={LOG_VERSION}")
    _check_partitions(connection, partitions)
    connection.executemany(
        "INSERT OR IGNORE INTO slot (topic, partition, compacted) VALUES (?, ?, ?)",
        [(topic.name, p, topic.compacted) for topic in table for p in range(partitions)],
    )
    connection.execute("COMMIT")


def slots(connection: sqlite3.Connection, table: Sequence[Topic]) -> Slots:
    """The slot of each partition of the table's topics. Raises LogError for an unfit file."""
    if not _version(connection):
        raise LogError("there is no log in this file yet: start the service once")
    rows = connection.execute("SELECT topic, partition, compacted, id FROM slot").fetchall()
    compacted = {topic: bool(is_compacted) for topic, _, is_compacted, _ in rows}
    for topic in table:
        if topic.name not in compacted:
            raise LogError(
                f"the log's file has no topic {topic.name!r}: start the service of this version, "
                "which adds it"
            )
        if compacted[topic.name] != topic.compacted:
            raise LogError(
                f"topic {topic.name!r} was {'' if compacted[topic.name] else 'not '}compacted when "
                "the log's file was made: this cannot be changed in place"
            )
    wanted = {topic.name for topic in table}
    return {TopicPartition(topic, p): slot for topic, p, _, slot in rows if topic in wanted}


def end_values(slot: int) -> tuple[int, int, int, int]:
    """What :data:`END` asks for."""
    low = first_id(slot)
    return (low, low, first_id(slot + 1), slot)


def end_of(connection: sqlite3.Connection, slot: int) -> int:
    """The offset after the slot's last record, also when that was removed."""
    (end,) = connection.execute(END, end_values(slot)).fetchone()
    return int(end)


def _version(connection: sqlite3.Connection) -> int:
    """0 of a file without tables. Raises LogError for a file that is not for this version."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    ((kind, tables),) = connection.execute(_KIND)
    if tables and kind != APPLICATION_ID:
        raise LogError("this is the database of another program: name another file")
    if version:
        check_version(version, "another data folder")
    return version


def _check_partitions(connection: sqlite3.Connection, partitions: int) -> None:
    (highest,) = connection.execute("SELECT max(partition) FROM slot").fetchone()
    if highest is not None and highest + 1 != partitions:
        raise LogError(
            f"the log's file has {highest + 1} partitions and {partitions} are configured: "
            "partitions cannot be changed in place"
        )
