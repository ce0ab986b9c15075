"""Starts and stops independent parts at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wardbridge.parts.base import Component, start


class Together:
    """Several parts as one; none waits for another."""

    def __init__(self, name: str, parts: Sequence[Component]) -> None:
        self.name = name
        self._parts = parts

    async def start(self) -> None:
        """Begin with all. Raises CannotStartError of the first that cannot."""
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(start(part))

    async def stop(self) -> None:
        """End all. Idempotent."""
        await asyncio.gather(*(part.stop() for part in self._parts))

    def blocking(self) -> str | None:
        """The first that does not do its work."""
        return next(filter(None, (part.blocking() for part in self._parts)), None)

    def failure(self) -> str | None:
        """The first that never will again."""
        return next(filter(None, (part.failure() for part in self._parts)), None)
