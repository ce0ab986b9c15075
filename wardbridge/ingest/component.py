"""A feed as a part of the service: started, restarted with back-off, and seen by health.

Invariant: a fault of a feed is that feed's. Whatever its making, its start, its work or its end raises
stops it alone; it is made anew after a pause that grows, and what it took before is in the log. Its
neighbours in the process, and the service, go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

import structlog

from adapters.common.backoff import Backoff
from adapters.common.filename import shown
from wardbridge.ingest.kind import FeedStatus, RunningFeed
from wardbridge.parts.base import Watched, describe
from wardbridge.parts.steadiness import STEADY_S, ConditionChange, PartCondition

LOOK_S: Final = 0.1
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STOP_WITHIN_S: Final = 12.0
"""Feeds answer what is on its way for up to ten seconds; one that takes longer is let go."""

NOT_STARTED: Final = "not started"


class FeedPart(Watched, Protocol):
    """A feed, wherever it runs."""

    @property
    def feed_name(self) -> str:
        """As it is configured."""
        ...

    @property
    def has_started(self) -> bool:
        """Whether its start is over, so that what blocks it is a fault."""
        ...

    def status(self) -> FeedStatus:
        """How the feed is now."""
        ...


class FeedComponent:
    """Runs a feed of whatever kind, and makes it anew when it has ended by itself.

    ``make`` makes the feed; what it raises is the feed's fault.
    """

    def __init__(self, feed_name: str, make: Callable[[], RunningFeed]) -> None:
        self.feed_name = feed_name
        self._make = make
        self._feed: RunningFeed | None = None
        self._fault: str | None = None
        self._failures = 0
        self._last_seen: datetime | None = None
        self._last_accepted_at: datetime | None = None
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._condition = PartCondition()
        self._up_since_s = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """As ``/readyz`` names it."""
        return f"feed {self.feed_name}"

    @property
    def has_started(self) -> bool:
        """Whether it was brought up, or tried to."""
        return self._task is not None

    async def start(self) -> None:
        """Begin to take inputs, or to try to."""
        await self._bring_up()
        self._task = asyncio.create_task(self._supervise(), name=self.name)

    async def stop(self) -> None:
        """Take no more, finish what is in hand."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        feed, self._feed = self._feed, None
        if feed is not None:
            await self._end(feed)

    def blocking(self) -> str | None:
        """The feed's own word, or why it does not run."""
        return self.status().blocking

    def failure(self) -> str | None:
        """It is made anew, whatever happens."""
        return None

    def status(self) -> FeedStatus:
        """How the feed is now; while it does not run, since when nothing came."""
        status = self._status_of(self._feed) if self._feed is not None else self._down()
        return replace(
            status,
            last_seen=status.last_seen or self._last_seen,
            last_accepted_at=status.last_accepted_at or self._last_accepted_at,
            figures={**status.figures, "failures": self._failures},
            trouble=status.trouble or (None if status.blocking else self._fault),
        )

    def _down(self) -> FeedStatus:
        return FeedStatus(blocking=self._fault or NOT_STARTED)

    @staticmethod
    def _status_of(feed: RunningFeed) -> FeedStatus:
        try:
            return feed.status()
        except Exception as error:  # noqa: BLE001 - the supervisor of the feed
            return FeedStatus(failure=describe(error))

    # -- supervision ------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look()

    async def _look(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._feed is None:
            if self._backoff.is_over(now_s):
                await self._bring_up()
        elif reason := self._status_of(self._feed).failure:
            await self._take_down(f"it failed and is started again: {reason}")
        elif self._fault and now_s - self._up_since_s >= STEADY_S:
            self._fault = None
            self._backoff.reset()
        self._tell()

    async def _bring_up(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._feed = self._make()
            await self._feed.start()
            self._up_since_s = loop.time()
        except Exception as error:  # noqa: BLE001 - the supervisor of the feed
            await self._take_down(f"it cannot start and is tried again: {_said_of(error)}")
            self._tell()

    def _tell(self) -> None:
        status, now_s = self.status(), asyncio.get_running_loop().time()
        reason = status.blocking or status.trouble
        match self._condition.note(reason, now_s):
            case ConditionChange.WORSE:
                structlog.get_logger().error("not_well", component=self.name, reason=reason)
            case ConditionChange.WELL_AGAIN:
                structlog.get_logger().info("well_again", component=self.name)
            case ConditionChange.NONE:
                pass

    async def _take_down(self, fault: str) -> None:
        self._fault = fault
        self._failures += 1
        self._backoff.failed(asyncio.get_running_loop().time())
        feed, self._feed = self._feed, None
        if feed is None:
            return
        status = self._status_of(feed)
        self._last_seen = status.last_seen or self._last_seen
        self._last_accepted_at = status.last_accepted_at or self._last_accepted_at
        await self._end(feed)

    async def _end(self, feed: RunningFeed) -> None:
        try:
            await asyncio.wait_for(feed.stop(), STOP_WITHIN_S)
        except Exception as error:  # noqa: BLE001 - the supervisor of the feed
            structlog.get_logger().error("end_failed", component=self.name, reason=describe(error))


def _said_of(error: Exception) -> str:
    """Before a feed works no input can stand in an error of the system: its text says what is missing."""
    if not isinstance(error, OSError):
        return describe(error)
    text = error.strerror or str(error)
    return f"{shown(str(error.filename))}: {text}" if error.filename else text
