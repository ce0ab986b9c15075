"""A feed as a component, and as health sees it."""

from __future__ import annotations

from typing import Protocol

from wardbridge.components.base import Watched
from wardbridge.feeds.kind import FeedStatus, RunningFeed


class FeedPart(Watched, Protocol):
    """A feed, wherever it runs."""

    @property
    def feed_name(self) -> str:
        """As it is configured."""
        ...

    def status(self) -> FeedStatus:
        """How the feed is now."""
        ...


class FeedComponent:
    """Starts and stops a feed of whatever kind."""

    def __init__(self, feed_name: str, feed: RunningFeed) -> None:
        self.feed_name = feed_name
        self._feed = feed
        self._started = False

    @property
    def name(self) -> str:
        """As ``/readyz`` names it."""
        return f"feed {self.feed_name}"

    async def start(self) -> None:
        """Begin to take inputs."""
        await self._feed.start()
        self._started = True

    async def stop(self) -> None:
        """Take no more, finish what is in hand."""
        if self._started:
            self._started = False
            await self._feed.stop()

    def blocking(self) -> str | None:
        """The feed's own word, or that it does not run."""
        return self.status().blocking if self._started else "not started"

    def failure(self) -> str | None:
        """The feed ended by itself."""
        return self.status().failure if self._started else None

    def status(self) -> FeedStatus:
        """How the feed is now."""
        return self._feed.status()
