"""Follows the review topics, for those who serve review and for those who write it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Final

import structlog

from adapters.common.review import FeedReview
from bus.port import Log, LogError
from bus.records import parsed
from schemas import topics
from schemas.review import ReviewStep
from wardbridge.parts.base import describe
from wardbridge.parts.repeated import Repeated
from wardbridge.reviewing.following import TopicFollower
from wardbridge.reviewing.index import Index

WAIT_S: Final = 0.5  # how long `stop` may have to wait
LOG_PAUSE_S: Final = 1.0
ENDS_EVERY_S: Final = 1.0


class ReviewFollower:
    """Keeps the index of what is open, in a thread. Nobody's work waits for it."""

    name = "review"

    def __init__(self, log: Log, index: Index | None = None, wait_s: float = WAIT_S) -> None:
        self.index = index or Index()
        self._follower = TopicFollower(log, (topics.REVIEWED, topics.REVIEW))
        self._wait_s = wait_s
        self._caught_up = threading.Event()
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def is_whole(self) -> bool:
        """Whether all that was kept at the start has been read."""
        return self._caught_up.is_set()

    async def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    async def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def blocking(self) -> None:
        """Figures of review are not there while it reads; all else is."""

    def failure(self) -> str | None:
        """The thread ended by an error."""
        return describe(self._failure) if self._failure else None

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._look()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it and ends the process
            self._failure = error

    def _look(self) -> None:
        try:
            for stored in self._follower.look():
                self.index.take(stored)
                if self._stopping.is_set():
                    return
            self._caught_up.set()
            if self.index.is_to_be_read_anew:
                self.index.clear()
                self._follower.begin_again()
            else:
                self._follower.wait(self._wait_s)
        except LogError:  # it is away, and others say so
            self._stopping.wait(LOG_PAUSE_S)


class EndsOfItems(Repeated):
    """Tells feeds which of the items that they hold for open have ended by another's hand."""

    def __init__(self, log: Log, reviews: Iterable[FeedReview]) -> None:
        super().__init__("review-ends", self._look, ENDS_EVERY_S)
        self._follower = TopicFollower(log, (topics.REVIEWED,))
        self._reviews = tuple(reviews)

    def blocking(self) -> None:
        """A feed that has not heard of an end writes nothing wrong."""

    def _look(self) -> None:
        try:
            for stored in self._follower.look():
                step = parsed(ReviewStep, stored)
                if step is not None and step.deed == "resolved":
                    for review in self._reviews:
                        review.ended(step.item)
        except LogError as error:
            structlog.get_logger().debug("review_ends_unread", reason=type(error).__name__)
