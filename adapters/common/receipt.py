"""Receipt times: a clock that never returns the same time twice.

Invariant: each time is later than the one before, so that the receipts of one connection, one feed's
process and one file keep the order of sending, which the order stamp needs where recorded times tie.
A clock that is set back is waited for: until then receipts are a microsecond apart.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

STEP: Final = timedelta(microseconds=1)
"""The least that two receipts differ by: the resolution of every time in the log."""


def utc_now() -> datetime:
    """The system's time of day, UTC."""
    return datetime.now(UTC)


class ReceiptClock:
    """The times of receipt of one listener, feed or file; for one thread."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)

    def __call__(self, count: int = 1) -> datetime:
        """Now, or the least later than the last time said.

        ``count``: so many statements came together; theirs are this one and those a step apart.
        """
        now = self._clock()
        first = now if now > self._last else self._last + STEP
        self._last = first + (count - 1) * STEP
        return first
