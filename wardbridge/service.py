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
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from bus.port import Log, Record, TopicPartition
from bus.sqlite import SqliteLog
from schemas import topics
from schemas.authority import Authority
from wardbridge.components.base import Component, RouterPart, start, stop_all
from wardbridge.components.delivery import DeliveryComponent
from wardbridge.components.feed import FeedPart
from wardbridge.components.tail import Tail
from wardbridge.components.ticker import Ticker
from wardbridge.components.worker import Job, RemoteFeed, RemoteRouter, WorkerProcess
from wardbridge.config.models import Installation
from wardbridge.delivery import delivery_of
from wardbridge.http.app import make_app
from wardbridge.http.board import Board
from wardbridge.http.hub import Hub
from wardbridge.http.server import HttpServer
from wardbridge.http.view import View
from wardbridge.log import open_log
from wardbridge.roles import Clock, Role, feeds_of, has_received, router_of, utc_now
from wardbridge.secret import patient_keyer

WATCH_INTERVAL_S: Final = 0.25
DRAIN_LOOK_S: Final = 0.02


class Service:
    """One installation at work. Raises LogError, SecretError or OSError when it cannot start."""

    def __init__(
        self,
        installation: Installation,
        port_offset: int = 0,
        clock: Clock = utc_now,
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
                await start(part)
            self._logger.info("started", feeds=[feed.feed_name for feed in parts.working.feeds])
            failed = await self._watch(parts, stop)
        except BaseException:
            await stop_all(started)
            raise
        drained = await self._drain(parts)
        return 0 if drained and not failed else 1

    def _timelines(self) -> list[Authority]:
        return [section.timeline(realm) for realm, section in self._settings.authority.items()]

    def _parts(self, log: Log) -> Parts:
        board = Board()
        hub = Hub(board)
        working = self._working(log)
        tail = Tail(log, hub.take)
        ticker = Ticker(
            log, list(self._settings.realms), self._settings.router.tick_interval_s, self._clock
        )
        delivery = delivery_of(log, self._installation)
        view = View(
            log,
            hub,
            self._installation.register,
            working.router,
            working.feeds,
            (tail, ticker, delivery),
            delivery.senders,
            self._settings.http.heartbeat_s,
        )
        http = self._settings.http
        server = HttpServer(make_app(view), http.host, http.port + self._port_offset)
        return Parts(working, tail, ticker, delivery, server, hub)

    def _working(self, log: Log) -> Working:
        """Beside a log that other processes can attach to, router and feeds have their own."""
        if not isinstance(log, SqliteLog):
            feeds = feeds_of(log, self._installation, self._port_offset, self._clock)
            return Working(router_of(log, self._installation), feeds, feeds)
        self._keep_secret(log)
        router, inputs = (
            WorkerProcess(log, Job(role, self._installation, self._port_offset))
            for role in (Role.ROUTER, Role.FEEDS)
        )
        names = [feed.identity.name for feed in self._installation.feeds]
        remote = [RemoteFeed(name, inputs) for name in names]
        return Working(RemoteRouter(log, router), remote, [inputs])

    def _keep_secret(self, log: Log) -> None:
        """Make it or miss it here, before anything starts."""
        secret = self._settings.privacy.patient_key_file
        patient_keyer(self._installation.data, secret, may_create=not has_received(log))

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
                await stop_all([parts.ticker, *parts.working.inputs])
                await _decide_the_rest(parts.working.router)
        unfinished = parts.working.router.figures().lag
        await parts.working.router.stop()
        await parts.tail.stop()
        await parts.delivery.stop()
        parts.hub.close()
        await parts.server.stop()
        seconds = round(time.monotonic() - began, 3)
        self._logger.info("stopped", seconds=seconds, unfinished=unfinished)
        return not unfinished


class Working(NamedTuple):
    """Router and feeds as health sees them, and what starts and stops the feeds."""

    router: RouterPart
    feeds: Sequence[FeedPart]
    inputs: Sequence[Component]


class Parts(NamedTuple):
    """The parts of one service, and the order in which they start."""

    working: Working
    tail: Tail
    ticker: Ticker
    delivery: DeliveryComponent
    server: HttpServer
    hub: Hub

    def in_order(self) -> list[Component]:
        """Health first, so that a slow start can be seen; feeds last."""
        return [
            self.server,
            self.working.router,
            self.tail,
            self.ticker,
            self.delivery,
            *self.working.inputs,
        ]


async def _decide_the_rest(router: RouterPart) -> None:
    while not router.failure() and router.figures().lag:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(DRAIN_LOOK_S)


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
