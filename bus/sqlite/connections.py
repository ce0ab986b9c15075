"""A pool of read connections: no reader waits for another or for the writer.

A query sees the log as it was when it began (WAL: SQLite documentation, "Isolation In SQLite"),
also while it is streamed. One that is streamed slowly keeps the write-ahead log from being reused,
so whoever loads does so in one go.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bus.port import LogError
from bus.sqlite import schema
from bus.sqlite.errors import as_log_error

KEPT_OPEN: Final = 8  # idle connections; more are opened when more threads read at once


class Connections:
    """Queries on one file from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False

    def query(self, sql: str, *values: object) -> Iterator[Any]:
        """The rows, streamed. Raises LogError."""
        connection = self._borrow()
        try:
            yield from connection.execute(sql, values)
        except sqlite3.Error as error:
            raise as_log_error(error) from error
        finally:
            self._give_back(connection)

    def copy_to(self, target: Path) -> None:
        """A whole, consistent copy at ``target``, taken while others write."""
        for _ in self.query("VACUUM INTO ?", str(target)):  # gives no row
            pass

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _borrow(self) -> sqlite3.Connection:
        if self._closed:
            raise LogError(f"{self._path} is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return _connected(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._idle) >= KEPT_OPEN:
            connection.close()
        else:
            self._idle.append(connection)


def _connected(path: Path) -> sqlite3.Connection:
    try:
        return schema.connect(path, read_only=True)
    except sqlite3.Error as error:
        raise as_log_error(error) from error
