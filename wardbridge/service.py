"""The composition root: every part of one installation, started, watched and drained.

Start: the log, the configured authority, then the parts in the order of :meth:`Service._parts`,
feeds last. End: feeds first, so that nothing new is acknowledged; then what was acknowledged is
decided and told, within a time limit; then the rest. A part that cannot recover ends the process
with an exit code other than zero: whatever supervises it starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from bus.port import Log, Record, TopicPartition
from bus.sqlite import SqliteLog
from schemas import topics
from schemas.authority import Authority
from wardbridge.components.base import Component, RouterPart
from wardbridge.components.feed import FeedComponent
from wardbridge.components.router import RouterComponent
from wardbridge.components.router_process import RouterProcess
from wardbridge.components.tail import Tail
from wardbridge.components.ticker import Ticker
from wardbridge.config.models import Feed, Installation
from wardbridge.feeds import KINDS
from wardbridge.feeds.kind import Place, Reading
from wardbridge.http.app import make_app
from wardbridge.http.board import Board
from wardbridge.http.hub import Hub
from wardbridge.http.server import HttpServer
from wardbridge.http.view import View
from wardbridge.log import open_log
from wardbridge.routing import make_runner
from wardbridge.secret import patient_keyer

WATCH_INTERVAL_S: Final = 0.25
DRAIN_LOOK_S: Final = 0.02


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Service:
    """One installation at work. Raises LogError, SecretError or OSError when it cannot start."""

    def __init__(
        self,
        installation: Installation,
        port_offset: int = 0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._installation = installation
        self._settings = installation.settings
        self._port_offset = port_offset
        self._clock = clock
        self._logger = structlog.get_logger()

    async def run(self, stop: asyncio.Event) -> int:
        """Work until told to stop or a part fails; the exit code."""
        data = self._installation.data
        data.mkdir(parents=True, exist_ok=True)
        log = await asyncio.to_thread(open_log, self._installation)
        try:
            return await self._run_on(log, stop)
        finally:
            await asyncio.to_thread(log.close)

    async def _run_on(self, log: Log, stop: asyncio.Event) -> int:
        parts = self._parts(log)
        write_authority(log, self._timelines())
        started: list[Component] = []
        try:
            for part in parts.in_order():
                started.append(part)
                await _start(part)
            self._logger.info("started", feeds=[feed.feed_name for feed in parts.feeds])
            failed = await self._watch(parts, stop)
        except BaseException:
            await _stop_all(started)
            raise
        drained = await self._drain(parts)
        return 0 if drained and not failed else 1

    def _timelines(self) -> list[Authority]:
        return [section.timeline(realm) for realm, section in self._settings.authority.items()]

    def _parts(self, log: Log) -> Parts:
        board = Board()
        hub = Hub(board)
        router = self._router(log)
        tail = Tail(log, hub.take)
        ticker = Ticker(
            log, list(self._settings.realms), self._settings.router.tick_interval_s, self._clock
        )
        feeds = self._feeds(log)
        view = View(
            log,
            hub,
            self._installation.register,
            router,
            feeds,
            (tail, ticker),
            self._settings.http.heartbeat_s,
        )
        http = self._settings.http
        server = HttpServer(make_app(view), http.host, http.port + self._port_offset)
        return Parts(router, tail, ticker, server, hub, feeds)

    def _router(self, log: Log) -> RouterPart:
        """Beside a log that other processes can attach to, one of its own."""
        if isinstance(log, SqliteLog):
            return RouterProcess(log, self._installation)
        return RouterComponent(make_runner(log, self._installation))

    def _feeds(self, log: Log) -> list[FeedComponent]:
        installation = self._installation
        secret = self._settings.privacy.patient_key_file
        keyer = patient_keyer(installation.data, secret, may_create=not has_received(log))
        place = Place(log, installation.data, self._port_offset)

        def made(feed: Feed) -> FeedComponent:
            reading = Reading(feed.identity, installation.register, keyer, self._clock)
            running = KINDS[feed.kind].make(reading, place, feed.settings)
            return FeedComponent(feed.identity.name, running)

        return [made(feed) for feed in installation.feeds]

    async def _watch(self, parts: Parts, stop: asyncio.Event) -> bool:
        """Until told to stop (False) or a part has failed (True)."""
        while not stop.is_set():
            for part in parts.in_order():
                if reason := part.failure():
                    self._logger.error("failed", component=part.name, reason=reason)
                    return True
            try:
                await asyncio.wait_for(stop.wait(), WATCH_INTERVAL_S)
            except TimeoutError:
                continue
        return False

    async def _drain(self, parts: Parts) -> bool:
        """End in order; False when something acknowledged is left for the next start."""
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown.drain_s):
                await _stop_all([parts.ticker, *parts.feeds])
                await _decide_the_rest(parts.router)
        unfinished = parts.router.figures().lag
        await parts.router.stop()
        await parts.tail.stop()
        parts.hub.close()
        await parts.server.stop()
        seconds = round(time.monotonic() - began, 3)
        self._logger.info("stopped", seconds=seconds, unfinished=unfinished)
        return not unfinished


class Parts:
    """The parts of one service, and the order in which they start."""

    def __init__(  # noqa: PLR0913, PLR0917 - each part named once
        self,
        router: RouterPart,
        tail: Tail,
        ticker: Ticker,
        server: HttpServer,
        hub: Hub,
        feeds: Sequence[FeedComponent],
    ) -> None:
        self.router, self.tail, self.ticker = router, tail, ticker
        self.server, self.hub, self.feeds = server, hub, feeds

    def in_order(self) -> list[Component]:
        """Health first, so that a slow start can be seen; feeds last."""
        return [self.server, self.router, self.tail, self.ticker, *self.feeds]


async def _start(part: Component) -> None:
    try:
        await part.start()
    except OSError as error:
        raise OSError(f"{part.name}: {error.strerror or error}") from error


async def _decide_the_rest(router: RouterPart) -> None:
    while not router.failure() and router.figures().lag:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(DRAIN_LOOK_S)


async def _stop_all(parts: Sequence[Component]) -> None:
    for part in reversed(parts):
        await part.stop()


def has_received(log: Log) -> bool:
    """Whether the log has ever taken an input, also one that is no longer kept."""
    return any(log.ends(topics.RAW).values())


def write_authority(log: Log, timelines: Sequence[Authority]) -> list[str]:
    """Write each realm's timeline that differs from the one in the log; the realms written."""
    changed = [timeline for timeline in timelines if timeline != _current(log, timeline.realm)]
    if changed:
        log.append([
            Record(topics.AUTHORITY, timeline.realm, timeline.realm, _as_json(timeline))
            for timeline in changed
        ])  # fmt: skip
    return [timeline.realm for timeline in changed]


def _as_json(timeline: Authority) -> bytes:
    return timeline.model_dump_json().encode()


def _current(log: Log, realm: str) -> Authority | None:
    partition = log.partition_of(topics.AUTHORITY, realm)
    for row in log.load(TopicPartition(topics.AUTHORITY, partition)):
        if row.key == realm and row.value is not None:
            return Authority.model_validate_json(row.value)
    return None
