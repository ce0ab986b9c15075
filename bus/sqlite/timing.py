"""Clock of the writer, and when it runs retention."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from bus.local import Clock, system_clock_ms


def monotonic_ms() -> int:
    """Milliseconds that pass whatever the clock is set to."""
    return time.monotonic_ns() // 1_000_000


class Timing(NamedTuple):
    """The clocks, and how often to tidy.

    The first time is long after the start: readers who were away as long as the service was get
    time to catch up before anything they have not seen is removed.
    """

    clock_ms: Clock = system_clock_ms
    first_tidy_s: float = 600.0
    tidy_interval_s: float = 5.0
    monotonic_ms: Callable[[], int] = monotonic_ms


SYSTEM_TIMING: Final = Timing()
