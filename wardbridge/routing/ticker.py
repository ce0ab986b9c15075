"""Writes time into the log as records: a tick for each realm, at an interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bus.port import Log, LogError, Record
from schemas import topics
from schemas.authority import Tick
from wardbridge.parts.base import describe
from wardbridge.parts.repeated import Repeated


class Ticker(Repeated):
    """Appends ticks. A tick that the log refuses is left out: the next one says as much."""

    def __init__(
        self, log: Log, realms: Sequence[str], interval_s: float, clock: Callable[[], datetime]
    ) -> None:
        super().__init__("ticker", self._tick, interval_s)
        self._log = log
        self._interval_s = interval_s
        self._realms = realms
        self._clock = clock
        self._refused: LogError | None = None

    def blocking(self) -> str | None:
        """The log refused the last tick, or refuses what is larger."""
        return describe(self._refused) if self._refused else self._log.trouble()

    def _tick(self) -> None:
        try:
            self._log.append(ticks(self._realms, self._clock(), self._interval_s))
        except LogError as error:
            self._refused = error
        else:
            self._refused = None


def ticks(realms: Sequence[str], at: datetime, interval_s: float) -> list[Record]:
    """What time it is, for each realm."""
    told = [Tick(realm=realm, at=at, interval_s=interval_s) for realm in realms]
    return [Record(topics.TICKS, e.realm, e.realm, e.model_dump_json().encode()) for e in told]
