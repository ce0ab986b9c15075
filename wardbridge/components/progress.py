"""Notices a router that stands still although records wait for it, whatever it says of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bus.port import Log, LogError, TopicPartition
from bus.runner import standing_of
from bus.stall import Progress
from router.core.step import RouterStep
from wardbridge.components.base import Watched, describe
from wardbridge.routing import GROUP

LOOK_EVERY_S: Final = 1.0


class RouterProgress:
    """Looks at the log now and then. While the router says why it waits, there is nothing to add."""

    name = "progress"

    def __init__(
        self, log: Log, router: Watched, stalled_after_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._log = log
        self._router = router
        self._clock_s = clock_s
        self._progress = Progress(stalled_after_s)
        self._stalled: frozenset[TopicPartition] = frozenset()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def blocking(self) -> str | None:
        """The partitions in which the router stands still."""
        places = ", ".join(self.stalled())
        return f"the router stands still in {places}" if places else None

    def failure(self) -> str | None:
        """The task ended by an error."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        error = self._task.exception()
        return describe(error) if error else None

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

    async def _run(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)
