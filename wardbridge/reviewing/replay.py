"""Replays: kept inputs are read again with today's configuration when a person asks for it.

A *plan* is what a replay would do; doing it is appending what the plan has, one input after the other,
oldest first. The router announces only what is new, so that a plan done twice, by two people at once, or
half before a crash and then whole, tells every ward once. Exports are handed back to their feed, which
alone knows the snapshots before them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Self

from bus.port import Log, Record
from schemas.review import ReviewItem
from wardbridge.config.models import Installation
from wardbridge.ingest.kind import Clock, NotReadError
from wardbridge.reviewing.again import FeedAgain
from wardbridge.reviewing.planned import (
    NO_FEED,
    NO_INPUT,
    NOT_READ,
    OF_THE_REQUEST,
    Cannot,
    KeptInput,
    Planned,
    ReplayedBy,
    by_input,
)
from wardbridge.reviewing.preview import Foreseen, foreseen
from wardbridge.routing.step import step_of
from wardbridge.security.secret import SecretError


class NobodyAsksError(Exception):
    """Whoever asked has gone, and nothing was done."""


class InputReplay:
    """One replay: planned, looked at, or done if ``is_done``; it is closed when its context ends.

    ``has_gone`` is asked between one input and the next, from whatever thread reads them: whether nobody waits for it
    any more. It is for looking only; what is done is done to its end.
    """

    def __init__(
        self,
        log: Log,
        installation: Installation,
        clock: Clock,
        has_gone: Callable[[], bool] = lambda: False,
        *,
        is_done: bool = True,
    ) -> None:
        self._has_gone = has_gone
        self._is_done = is_done
        self._log = log
        self._installation = installation
        self._clock = clock
        self._configured = {feed.identity.name: feed for feed in installation.feeds}
        self._feeds: dict[str, FeedAgain] = {}

    async def plan(self, items: Sequence[ReviewItem], by: str) -> list[Planned]:
        """What reading the inputs of these items again would do. Raises LogError or NobodyAsksError."""
        self._go_on()
        who = ReplayedBy(by, self._clock())
        of_feeds: defaultdict[str, list[ReviewItem]] = defaultdict(list)
        found: list[Planned] = []
        for item in items:
            if cannot := self._why_not(item):
                found.append(Planned((item,), cannot=cannot))
            else:
                of_feeds[item.feed].append(item)
        for name, own in of_feeds.items():
            found += await self._of_feed(name, by_input(own), who)
        return sorted(found, key=lambda each: each.items[0].at)

    def look_ahead(self, plan: Sequence[Planned]) -> Foreseen:
        """What the router would make of it now. Raises LogError or NobodyAsksError."""
        at_ms = int(self._clock().timestamp() * 1000)
        return foreseen(self._log, step_of(self._installation), self._envelopes(plan), at_ms)

    def _envelopes(self, plan: Sequence[Planned]) -> Iterator[Record]:
        for planned in plan:
            self._go_on()
            yield from planned.envelopes

    def do(self, plan: Sequence[Planned]) -> list[Planned]:
        """Write what the plan has, or hand the export back; what became of it. Raises LogError."""
        return [self._done(each) for each in plan]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of what reading opened."""
        for feed in self._feeds.values():
            await feed.close()

    def _why_not(self, item: ReviewItem) -> Cannot | None:
        if item.raw is None:
            return NO_INPUT
        if not item.repeatable:
            return OF_THE_REQUEST
        return None if item.feed in self._configured else NO_FEED

    async def _of_feed(
        self, name: str, inputs: Sequence[KeptInput], who: ReplayedBy
    ) -> list[Planned]:
        try:
            feed = self._feeds.get(name) or self._made(name)
        except (SecretError, OSError) as error:
            cannot = Cannot(NOT_READ, f"the feed cannot read here: {error}")
            return [Planned(each.items, cannot=cannot) for each in inputs]
        found = []
        async for each in feed.plan(inputs, who):
            found.append(each)
            self._go_on()
        return found

    def _go_on(self) -> None:
        if self._has_gone():
            raise NobodyAsksError

    def _made(self, name: str) -> FeedAgain:
        made = FeedAgain(
            self._log,
            self._installation,
            self._configured[name],
            self._clock,
            is_done=self._is_done,
        )
        self._feeds[name] = made
        return made

    def _done(self, planned: Planned) -> Planned:
        if planned.sha256:
            try:
                self._feeds[planned.items[0].feed].hand_back(planned.sha256)
            except NotReadError as error:
                return replace(planned, records=(), cannot=Cannot(NOT_READ, str(error)))
        if planned.records:
            self._log.append(planned.records)
        return planned
