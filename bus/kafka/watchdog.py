"""Detects calls that block for too long, and ends the process where nothing else helps.

kafka-python's commit was seen to hang for ever after the death of a coordinator, also when the broker
was back, and a subscription takes no time-out. Where the client can be made to return, it is
(``bus.kafka.producers``); this is for the rest. Nothing within the process can free the thread that
waits, and what it holds (a place in the group, an open transaction) keeps others waiting; a new
process under the same names takes over within a second. So the end is quick and loud, and whatever
supervises the process starts it again.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

EXIT_STUCK: Final = 75
"""Exit code of a process that the watchdog ended (EX_TEMPFAIL: to be started again)."""

OnStuck = Callable[[str], None]


def end_process(doing: str) -> None:
    """Say why and end at once, without waiting for any other thread."""
    structlog.get_logger().critical("commit_stuck", doing=doing, exit_code=EXIT_STUCK)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_STUCK)


class Watchdog:
    """Calls ``on_stuck`` once for whatever is watched longer than ``limit_s``."""

    def __init__(
        self,
        limit_s: float,
        on_stuck: OnStuck = end_process,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = limit_s
        self._on_stuck = on_stuck
        self._clock_s = clock_s
        self._watched: dict[int, tuple[float, str]] = {}  # the oldest first: one limit for all
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, doing: str) -> Iterator[None]:
        """The block must end within the limit."""
        number = self.begin(doing)
        try:
            yield
        finally:
            self.end(number)

    def begin(self, doing: str) -> int:
        """What must be at its :meth:`end` within the limit; the number to end it by."""
        with self._changed:
            number = next(self._numbers)
            self._watched[number] = (self._clock_s() + self._limit_s, doing)
            return number

    def report(self, doing: str) -> None:
        """Known to be stuck already: ``on_stuck`` is called without waiting for the limit."""
        with self._changed:
            self._watched = {next(self._numbers): (-math.inf, doing), **self._watched}
            self._changed.notify()

    def end(self, number: int) -> None:
        """It has ended, in time or not."""
        with self._changed:
            self._watched.pop(number, None)

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (stuck := self._next_stuck()) is not None:
            self._on_stuck(stuck)

    def _next_stuck(self) -> str | None:
        """Whoever begins wakes nobody, many times a second: what begins after a look is due later."""
        with self._changed:
            while not self._closed:
                remaining_s = self._limit_s
                if self._watched:
                    number, (deadline, doing) = next(iter(self._watched.items()))
                    remaining_s = deadline - self._clock_s()
                    if remaining_s <= 0:
                        del self._watched[number]
                        return doing
                self._changed.wait(remaining_s)
        return None
