"""The Elvis adapter as a kind of feed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from adapters.common.feed import FeedIdentity
from adapters.common.outcome import Outcome
from adapters.elvis.feed import ElvisDirectoryFeed
from adapters.elvis.handle import make_context, outcomes
from adapters.elvis.settings import ElvisSettings
from wardbridge.components.base import describe
from wardbridge.feeds.kind import FeedKind, FeedStatus, Held, Place, Reading


class ElvisFeed:
    """The directory feed, whose own thread does the work."""

    def __init__(self, reading: Reading, place: Place, settings: ElvisSettings) -> None:
        moved = settings.model_copy(update={"directory": place.data / settings.directory})
        self._feed = ElvisDirectoryFeed(
            reading.identity, moved, reading.register, reading.keyer, place.log, reading.clock,
            describe=reading.describe, review=place.review,
        )  # fmt: skip

    async def start(self) -> None:
        """Make the directory and watch it."""
        self._feed.start()

    async def stop(self) -> None:
        """Finish the file in hand."""
        await asyncio.to_thread(self._feed.stop)

    def status(self) -> FeedStatus:
        """Counts, what blocks, and whether the thread lives."""
        feed, figures = self._feed, self._feed.figures
        return FeedStatus(
            figures.last_seen,
            figures.last_accepted_at,
            figures.counts(),
            dict(figures.outcomes),
            blocking=feed.blocking(),
            trouble=feed.trouble(),
            failure=self._failure(),
        )

    def _failure(self) -> str | None:
        if self._feed.is_alive():
            return None
        return describe(self._feed.failure) if self._feed.failure else "ended by itself"


def _outcomes(
    reading: Reading, settings: ElvisSettings, path: Path, payload: bytes
) -> Iterator[tuple[int, Outcome]]:
    context = make_context(reading.identity, settings, reading.register, reading.keyer)
    yield from outcomes(payload, path.name, reading.clock(), context)


def _holds(identity: FeedIdentity, settings: ElvisSettings) -> Iterator[Held]:
    yield Held(f"directory {settings.directory}", "give each feed a directory of its own")
    yield Held(
        f"the exports of source {identity.source!r} in realm {identity.realm!r}",
        "a patient is gone when every scope lacks them, and a feed knows its own scopes only; name "
        "all scopes of the source in one feed, and let its directory collect the files of all",
    )


KIND = FeedKind(
    settings=ElvisSettings,
    make=ElvisFeed,
    outcomes=_outcomes,
    holds=_holds,
    reads_by=lambda settings: settings.format,
)
