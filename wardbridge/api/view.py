"""Read-only access to the running service, for routes and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bus.port import Log, LogError
from router.delivery.dispatcher import Dispatcher
from router.delivery.sender import BY_HAND, Sender
from schemas.ward import WardRegister
from wardbridge.ingest.component import FeedPart
from wardbridge.parts.base import RouterPart, Watched
from wardbridge.readmodels.broadcaster import Broadcaster
from wardbridge.readmodels.history import Pages
from wardbridge.readmodels.log_follower import LogFollower
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.routing.progress import RouterProgress


@dataclass(frozen=True, slots=True)
class View:
    """The running service as its HTTP surface sees it."""

    log: Log
    hub: Broadcaster
    pages: Pages
    register: WardRegister
    router: RouterPart
    progress: RouterProgress
    feeds: Sequence[FeedPart]
    others: Sequence[Watched]
    dispatcher: Dispatcher | None
    review: ReviewFollower
    heartbeat_s: float
    now: Callable[[], datetime]
    register_trouble: str | None = None

    @property
    def senders(self) -> Mapping[str, Sender]:
        """Whom this process sends to, by name."""
        return self.dispatcher.senders if self.dispatcher else {}

    async def keep_orders(self) -> None:
        """Return once what senders were asked to do is kept. Raises LogError."""
        if self.dispatcher is not None:
            await self.dispatcher.keep()

    def is_ward(self, ward: str) -> bool:
        """Whether the register has it; of an open one, whether it was ever told of anybody."""
        was_told = self.register.is_open and self.hub.board.history(ward) is not None
        return ward in self.register.wards or was_told

    def components(self) -> Sequence[Watched]:
        """Every part whose state decides whether the service is ready."""
        return (self.router, self.progress, *self.others, *self.feeds)

    def blocking(self) -> dict[str, str]:
        """Component to reason, for each that does not do its work now."""
        reasons = {part.name: part.failure() or part.blocking() for part in self.components()}
        return {name: reason for name, reason in reasons.items() if reason}

    def conditions(self) -> dict[str, str | None]:
        """What is wrong with each part but the feeds, and with each subscriber; None: nothing.

        Nothing that a person wrote is in it.
        """
        parts = (self.router, self.progress, *self.others)
        found = {part.name: part.failure() or part.blocking() for part in parts}
        senders = list(self.senders.values())
        told = {f"subscriber {each.name}": each.standing().trouble for each in senders}
        return found | {name: _unquoted(trouble) for name, trouble in told.items()}

    def is_ready(self, blocking: Collection[str]) -> bool:
        """Whether the service does its work: also where a feed, of several, does not.

        Whoever routes by this would otherwise take all other feeds and every ward's list away.
        """
        faulty = {feed.name for feed in self.feeds if feed.has_started} & set(blocking)
        return faulty == set(blocking) and (not faulty or len(faulty) < len(self.feeds))

    def lag(self) -> int | None:
        """How many records wait for the router; None while the log does not say."""
        try:
            return self.router.lag()
        except LogError:
            return None

    async def why_lists_wait(self) -> str | None:
        """Why the board may lack something that is committed: after a start it is still read.

        A list that is not whole must never be shown: it looks like a ward nobody comes to.
        """
        reasons = [part.failure() or part.blocking() for part in self._tails()]
        await asyncio.sleep(0)  # what the tail has handed over by now is on the board after this
        return next(filter(None, reasons), None)

    def looking_again(self) -> Callable[[], Awaitable[bool]]:
        """Whether something committed before this call may still be missing on the board.

        Another process on the same log may have shown it already, to somebody who then comes here.
        """
        looks = [part.looking_again() for part in self._tails()]

        async def goes_on() -> bool:
            return any([await look() for look in looks])

        return goes_on

    def _tails(self) -> list[LogFollower]:
        return [part for part in self.others if isinstance(part, LogFollower)]


def _unquoted(trouble: str | None) -> str | None:
    return BY_HAND if trouble and trouble.startswith(BY_HAND) else trouble
