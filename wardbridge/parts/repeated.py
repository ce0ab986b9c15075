"""A part that does some work in a thread, at once and then at an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wardbridge.parts.base import describe


class Repeated:
    """Does the work again and again until stopped; an error that it raises ends the service."""

    def __init__(self, name: str, work: Callable[[], None], interval_s: float) -> None:
        self.name = name
        self._work = work
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with the work."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Do it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def failure(self) -> str | None:
        """The task ended by an error."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        error = self._task.exception()
        return describe(error) if error else None

    async def _run(self) -> None:
        while True:
            await asyncio.to_thread(self._work)
            await asyncio.sleep(self._interval_s)
