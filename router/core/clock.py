"""The router's time: what the log itself has seen pass. Pure.

A tick is one clock's word. A time that follows the last one closely has been seen to pass. One that is far ahead or
behind may be a stop of the service, or a clock that is wrong, and nothing tells which: it is a *jump*, and does not
count until something else says so:

* a sender's own clock: something that was recorded at about that time, as the sender says, has come since; or
* ticks that go on from the jump for an hour, where nothing else speaks.

A jump back is believed likewise, so that what a clock that was ahead had brought about is undone. Whatever moves
authority or deletes goes by this clock. What lies ahead takes effect by the ticks as they come, and is undone when
this clock has gone on for a while without the tick that was ahead (``follow``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

CLOSE: Final = timedelta(minutes=5)
"""Between two ticks, or between a tick and what is recorded meanwhile: several usual intervals."""
LATE: Final = timedelta(minutes=1)
"""A tick so far behind has come late, or from another machine's clock: it moves nothing, and contradicts a pending
jump."""
ALONE: Final = timedelta(hours=1)
"""How long ticks must go on from a jump that nothing else confirms."""
_INTERVALS: Final = 3


class Clock(NamedTuple):
    """``at``: the time that counts. ``since`` and ``last``: the first and the last tick of a jump."""

    at: datetime
    since: datetime | None = None
    last: datetime | None = None

    def ticked(self, at: datetime, interval: timedelta) -> Clock:
        """After a tick; ``interval``: how often they come."""
        close = max(CLOSE, _INTERVALS * interval)
        if self.at - LATE <= at <= self.at + close:
            return Clock(max(self.at, at))
        if self.since is None or self.last is None or not self.last <= at <= self.last + close:
            return Clock(self.at, at, at)
        if at - self.since >= max(ALONE, close):
            return Clock(at)
        return Clock(self.at, self.since, at)

    def heard(self, recorded_at: datetime) -> Clock:
        """After something came that its sender recorded at this time, by the sender's clock."""
        if self.last is None or abs(recorded_at - self.last) > CLOSE:
            return self
        return Clock(self.last)


def row_of(*times: datetime | None) -> bytes:
    """Times as one row of state; those that are none come last."""
    return " ".join(each.isoformat() for each in times if each is not None).encode()


def times_of(row: bytes) -> list[datetime]:
    """The times of a row."""
    return list(map(datetime.fromisoformat, row.decode().split()))
