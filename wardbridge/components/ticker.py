"""Time enters the log as records: a tick for each realm, at once and then at an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from bus.port import Log, LogError, Record
from schemas import topics
from schemas.authority import Tick
from wardbridge.components.base import describe


class Ticker:
    """Appends ticks. A tick that the log refuses is left out: the next one says as much."""

    name = "ticker"

    def __init__(
        self, log: Log, realms: Sequence[str], interval_s: float, clock: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._realms = realms
        self._interval_s = interval_s
        self._clock = clock
        self._refused: LogError | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with a tick."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """No more ticks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def blocking(self) -> str | None:
        """The log refused the last tick."""
        return describe(self._refused) if self._refused else None

    def failure(self) -> str | None:
        """The task ended by an error."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        error = self._task.exception()
        return describe(error) if error else None

    async def _run(self) -> None:
        while True:
            await asyncio.to_thread(self._tick)
            await asyncio.sleep(self._interval_s)

    def _tick(self) -> None:
        try:
            self._log.append(ticks(self._realms, self._clock()))
        except LogError as error:
            self._refused = error
        else:
            self._refused = None


def ticks(realms: Sequence[str], at: datetime) -> list[Record]:
    """What time it is, for each realm."""
    return [
        Record(topics.TICKS, realm, realm, Tick(realm=realm, at=at).model_dump_json().encode())
        for realm in realms
    ]
