"""The log's own time: how far it has seen time pass. Retention goes by it instead of a clock.

A clock is evidence, not truth: one that is a hundred days ahead for a minute must not delete a hundred
days of notices. So the time that retention goes by follows the clock at most twice as fast as time
passes here, and what is deleted is never younger by it than the clock says. An error of the clock costs at most as
much history as the time for which it lasted; after a stop of some days as many days go by until retention is
abreast again, and meanwhile more is kept than need be.

A new log has seen nothing and believes the clock. Where that one was wrong at the first start, a year behind or
ahead, retention is behind for a year, or believes the next clock that is a year ahead: :func:`believe` is a person's
word that the clock is right now.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from bus.port import LogError
from bus.sqlite import schema
from bus.sqlite.errors import opening
from bus.sqlite.lock import WriterLock
from bus.sqlite.timing import Timing

SAVED_EVERY_MS: Final = 600_000  # a crash forgets so much of it, and retention waits so much longer
DOUBTED_MS: Final = 86_400_000
"""From here on it is said that the clock is not believed; a stop over night is nothing to tell of."""
_READ: Final = "SELECT at_ms FROM seen"
_BEGIN: Final = "INSERT OR IGNORE INTO seen (id, at_ms) VALUES (1, ?)"
_SAVE: Final = "UPDATE seen SET at_ms = ?"


class SeenTime:
    """Of one file, for its one writer; the file's own time goes on where it was saved."""

    def __init__(self, connection: sqlite3.Connection, timing: Timing) -> None:
        self._connection = connection
        self._timing = timing
        self._looked_ms = timing.monotonic_ms()
        self._clock_ms = timing.clock_ms()
        connection.execute(_BEGIN, (self._clock_ms,))
        self._seen_ms = int(connection.execute(_READ).fetchone()[0])
        self._saved_ms = self._seen_ms
        self._doubted = False

    @property
    def clock_ahead_ms(self) -> int:
        """How far the clock is ahead of what was seen; 0 where it is not."""
        return max(0, self._clock_ms - self._seen_ms)

    def now_ms(self) -> int:
        """The time that retention goes by. Call it again and again: it sees no time between."""
        looked_ms = self._timing.monotonic_ms()
        passed_ms, self._looked_ms = looked_ms - self._looked_ms, looked_ms
        self._clock_ms = self._timing.clock_ms()
        self._seen_ms = max(self._seen_ms, min(self._clock_ms, self._seen_ms + 2 * passed_ms))
        self._tell()
        return min(self._seen_ms, self._clock_ms)

    def save_if_due(self) -> None:
        """Keep it in the file, within the caller's transaction."""
        if self._seen_ms - self._saved_ms >= SAVED_EVERY_MS:
            self._connection.execute(_SAVE, (self._seen_ms,))
            self._saved_ms = self._seen_ms

    def _tell(self) -> None:
        doubted = self.clock_ahead_ms >= DOUBTED_MS
        if doubted == self._doubted:
            return
        self._doubted = doubted
        event = "retention_doubts_the_clock" if doubted else "retention_believes_the_clock"
        structlog.get_logger().warning(event, ahead_s=self.clock_ahead_ms // 1000)


def believed_ms(path: Path) -> int:
    """The time that retention goes by in a log that nobody writes now. Raises LogError."""
    return _at_rest(path, None)


def believe(path: Path, at_ms: int) -> None:
    """Have retention go by this time, in a log that nobody writes now. Raises LogError."""
    _at_rest(path, at_ms)


def _at_rest(path: Path, at_ms: int | None) -> int:
    if not path.exists():
        raise LogError(f"{path}: there is no log")
    with opening(path):
        lock = WriterLock(path)
        try:
            with closing(schema.connect_writer(path)) as connection:
                if at_ms is not None:
                    connection.execute(_SAVE, (at_ms,))
                return int(connection.execute(_READ).fetchone()[0])
        finally:
            lock.release()
