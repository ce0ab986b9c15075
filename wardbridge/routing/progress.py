"""Detects a router that stands still although records wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bus.port import Log, LogError, TopicPartition
from bus.progress_watch import ProgressWatch
from bus.runner import standing_of
from router.core.step import GROUP, RouterStep
from wardbridge.parts.base import Watched
from wardbridge.parts.repeated import Repeated

LOOK_EVERY_S: Final = 1.0


class RouterProgress(Repeated):
    """Looks at the log now and then. While the router says why it waits, there is nothing to add."""

    def __init__(
        self, log: Log, router: Watched, stalled_after_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__("progress", self.look, LOOK_EVERY_S)
        self._log = log
        self._router = router
        self._clock_s = clock_s
        self._progress = ProgressWatch(stalled_after_s)
        self._stalled: frozenset[TopicPartition] = frozenset()

    def blocking(self) -> str | None:
        """The partitions in which the router stands still."""
        places = ", ".join(self.stalled())
        return f"the router stands still in {places}" if places else None

    def stalled(self) -> tuple[str, ...]:
        """The partitions in which the router stands still, as ``topic/number``."""
        return tuple(f"{at.topic}/{at.partition}" for at in sorted(self._stalled))

    def look(self) -> None:
        """Compare with the looks before. Waits for the log."""
        try:
            found = standing_of(self._log, GROUP, RouterStep.inputs)
        except LogError:  # the log is away, and others say so
            return
        if self._router.blocking():
            found = {}
        positions = {at: position for at, (position, _) in found.items()}
        ends = {at: end for at, (_, end) in found.items()}
        self._stalled = self._progress.stalled(positions, ends, self._clock_s())
