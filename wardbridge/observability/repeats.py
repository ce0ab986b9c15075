"""Suppresses repeated log lines of a library, and counts them.

While no broker answers, the Kafka client says so thousands of times a minute, from a handful of
places. The first record of each place in a window passes; the others are counted, and the count
goes out with the next one that passes.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0
REPEATED: Final = "_repeated"  # on a record: how many like it were left out before it


@dataclass(slots=True)
class _Place:
    """Where records come from: when one last passed, and how many did not since."""

    passed_at: float
    left_out: int = 0


class OncePerWindow(logging.Filter):
    """One record of each place (logger, level, file and line) in ``window_s``."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        super().__init__()
        self._window_s = window_s
        self._places: dict[tuple[str, int, str, int], _Place] = {}  # as many as lines that log
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record goes out."""
        at = (record.name, record.levelno, record.pathname, record.lineno)
        with self._lock:
            place = self._places.get(at)
            if place and 0 <= record.created - place.passed_at < self._window_s:
                place.left_out += 1
                return False
            self._places[at] = _Place(record.created)
            if place and place.left_out:
                setattr(record, REPEATED, place.left_out)
        return True
