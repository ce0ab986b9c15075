"""Logs in memory that fail on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bus.memory import MemoryLog
from bus.port import LogError, Record


class PickyLog(MemoryLog):
    """Fails what holds a bad message: when asked, or when it would be durable."""

    def __init__(self, error: LogError, *, at_once: bool) -> None:
        super().__init__()
        self.error, self.at_once = error, at_once

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        if not any(b"BAD" in (record.value or b"") for record in records):
            super().submit(records, on_done)
        elif self.at_once:
            raise self.error
        else:
            on_done(self.error)
