"""The composition root: every part of one installation, started, watched and drained.

Start: the log, the configured authority, then the parts in the order of :meth:`Service._parts`,
feeds last. End: feeds first, so that nothing new is acknowledged; then what was acknowledged is
decided and told, within a time limit; then the rest. A service that has only some of the roles runs
the parts of these, and what it took is for others to decide. A part that cannot recover ends the process
with an exit code other than zero: whatever supervises it starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog

from bus.port import Log, LogError, Record, TopicPartition
from bus.records import parsed
from schemas import topics
from schemas.authority import Authority
from wardbridge.api.app import Noted, Serving, make_app
from wardbridge.api.view import View
from wardbridge.config.lastgood import trouble_of
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.component import FeedPart
from wardbridge.ingest.kind import Clock
from wardbridge.logstore.log import admits_others, is_one_file, open_log
from wardbridge.net.server import ConnectionLimits, HttpServer
from wardbridge.parts.base import Component, RouterPart, start, stop_all
from wardbridge.parts.together import Together
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.broadcaster import Broadcaster, Seats
from wardbridge.readmodels.census import Census, believed_by
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.disclosure_lookup import DisclosureLookup
from wardbridge.readmodels.history import Pages
from wardbridge.readmodels.identities import Identities
from wardbridge.readmodels.log_follower import LogFollower
from wardbridge.readmodels.occupancy import occupancies
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.reviewing.desk import Desk
from wardbridge.routing.component import RouterElsewhere
from wardbridge.routing.progress import RouterProgress
from wardbridge.routing.ticker import Ticker
from wardbridge.runtime.delivering import DeliveryComponent
from wardbridge.runtime.delivery import delivery_of
from wardbridge.runtime.demographics_retention import Forgetting
from wardbridge.runtime.journal import Journal
from wardbridge.runtime.processes import Job, RemoteFeed, RemoteRouter, WorkerProcess
from wardbridge.runtime.review_retention import Keeping
from wardbridge.runtime.roles import ALL_ROLES, Role, feeds_of, processes_of, router_of, utc_now
from wardbridge.security.access import gate_of, trail_of
from wardbridge.security.audit import no_patient
from wardbridge.security.audit_spool import SpoolCollector
from wardbridge.security.refusals import Refusals
from wardbridge.security.secret import make_first
from wardbridge.subscriptions.registrar import Registrar
from wardbridge.subscriptions.registrations import Registrations

WATCH_INTERVAL_S: Final = 0.25
DRAIN_LOOK_S: Final = 0.02


class Service:
    """One installation at work. Raises LogError or OSError when it cannot start."""

    def __init__(
        self,
        installation: Installation,
        port_offset: int = 0,
        clock: Clock = utc_now,
        roles: AbstractSet[Role] = ALL_ROLES,
    ) -> None:
        self._roles = roles
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
        if Role.ROUTER in self._roles:
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

    def _parts(self, log: Log) -> ServiceParts:
        hub = self._hub()
        working = self._working(log)
        progress = RouterProgress(log, working.router, self._settings.router.stalled_after_s)
        timing = self._timing(log, progress)
        tail = LogFollower(
            log,
            hub.take,
            with_census=hub.known is not None,
            with_patients=hub.known is not None and hub.known.has_names,
        )
        review = ReviewFollower(log)
        reading, telling = self._reading(log, hub, tail, review), self._telling(log, hub, tail)
        view = View(
            log,
            hub,
            Pages(log, hub.board),
            self._installation.register,
            working.router,
            progress,
            working.feeds,
            [part for part in (*reading, *timing, *telling) if part is not progress],
            telling[0].dispatcher if telling else None,
            review,
            self._settings.http.heartbeat_s,
            self._clock,
            trouble_of(self._installation),
        )
        refusals = Refusals(log, self._clock)
        server = self._server(view, refusals)
        return ServiceParts(
            working, timing, reading, telling, server, refusals, Journal(view.conditions), hub
        )

    def _server(self, view: View, refusals: Refusals) -> HttpServer:
        http, hub, log = self._settings.http, view.hub, view.log
        gate = gate_of(self._installation, self._clock)
        gate.noted = refusals.note
        gate.is_ward = view.is_ward
        patient_of = hub.known.census.patient_of if hub.known else no_patient
        trail = trail_of(log, self._installation, patient_of, self._clock)
        serving = self._serving(log, view.review) if Role.HTTP in self._roles else None
        seats = Seats(http.max_streams, http.max_streams_per_reader)
        app = make_app(view, gate, Noted(trail, refusals), seats, serving)
        tls = http.tls and http.tls.starting_from(self._installation.data)
        terms = ConnectionLimits(
            http.max_connections, http.max_connections_per_peer, proxies=http.trusted_proxies
        )
        server = HttpServer(app, http.host, http.port + self._port_offset, tls, terms)
        server.on_unread = hub.was_unread
        return server

    def _serving(self, log: Log, review: ReviewFollower) -> Serving:
        limit = self._settings.registrations.max_per_owner
        known, register = Registrations.of(log, self._installation), self._installation.register
        registrar = Registrar(log, known, register, self._clock, limit)
        desk = Desk(log, self._installation, self._clock, review.index)
        return Serving(registrar, self._settings.http.fhir_base(self._port_offset), desk)

    def _timing(self, log: Log, progress: RouterProgress) -> Sequence[Component]:
        """What goes with a router: the time, whether it goes on, and what is no longer kept."""
        if Role.ROUTER not in self._roles:
            return []
        settings = self._settings
        ticker = Ticker(log, list(settings.realms), settings.router.tick_interval_s, self._clock)
        kept = settings.identities
        kept_for = timedelta(days=kept.forget_after_days) if kept.keep else None
        settled_for = timedelta(days=settings.review.keep_settled_days)
        keeping = Keeping(log, settled_for, self._clock)
        return [progress, ticker, Forgetting(log, kept_for, self._clock), keeping]

    def _reading(
        self, log: Log, hub: Broadcaster, tail: LogFollower, review: ReviewFollower
    ) -> Sequence[Component]:
        """For wards, for subscribers who are told more than the notice, and for who operates."""
        if Role.HTTP not in self._roles:
            return [tail] if Role.DELIVERY in self._roles and hub.known else []
        notes = [SpoolCollector(log, self._installation.data)] if is_one_file(log) else []
        return [tail, review, *notes]

    def _hub(self) -> Broadcaster:
        board, census = Board(), self._census()
        if census is None:
            return Broadcaster(board)
        zone, register = ZoneInfo(self._settings.http.zone), self._installation.register
        free = occupancies(board, census, register, self._clock, zone)
        names = Identities(census.aliases) if self._settings.gives("identified") else None
        return Broadcaster(board, known=Disclosure(census, register, names), occupancy=free)

    def _census(self) -> Census | None:
        """Followed only where somebody may see something of it."""
        if not self._settings.gives("operational"):
            return None
        realms = self._settings.realms
        known = [(line, realms[line.realm].hospitals) for line in self._timelines()]
        return Census(believed_by(known, self._installation.register, self._clock))

    def _telling(
        self, log: Log, hub: Broadcaster, tail: LogFollower
    ) -> Sequence[DeliveryComponent]:
        if Role.DELIVERY not in self._roles:
            return []
        lookup = DisclosureLookup(hub.known, hub.board, tail) if hub.known else None
        return [delivery_of(log, self._installation, self._clock, self._port_offset, lookup)]

    def _working(self, log: Log) -> Working:
        """On a log that other processes can work on, router and feeds have each one of its own.

        The secret is made here, before anything starts: of two processes that make it, one would have another.
        """
        if Role.ADAPTERS in self._roles:
            make_first(log, self._installation)
        if not admits_others(log):
            feeds = feeds_of(log, self._installation, self._port_offset, self._clock)
            inputs: list[Component] = [*feeds.parts, feeds.ends]
            return Working(router_of(log, self._installation), feeds.parts, inputs)
        return Working(self._router(log), *self._inputs(log))

    def _router(self, log: Log) -> RouterPart:
        if Role.ROUTER not in self._roles:
            return RouterElsewhere(log)
        return RemoteRouter(log, self._process(log, Role.ROUTER))

    def _inputs(self, log: Log) -> tuple[Sequence[FeedPart], Sequence[Component]]:
        if Role.ADAPTERS not in self._roles:
            return [], []
        feeds: list[FeedPart] = []
        processes: list[WorkerProcess] = []
        for part, together in processes_of(self._installation.feeds):
            process = self._process(log, Role.ADAPTERS, together, part)
            processes.append(process)
            feeds += [RemoteFeed(feed.identity.name, process) for feed in together]
        return feeds, [Together("feeds", processes)]

    def _process(
        self, log: Log, role: Role, feeds: Sequence[Feed] = (), part: str = ""
    ) -> WorkerProcess:
        """Without feeds it reads no adapter, for it needs none."""
        known = replace(self._installation, feeds=tuple(feeds))
        return WorkerProcess(log, Job(role, known, self._port_offset, part))

    async def _watch(self, parts: ServiceParts, stop: asyncio.Event) -> bool:
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

    async def _drain(self, parts: ServiceParts) -> bool:
        """End in order; False when something acknowledged is left for the next start."""
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown.drain_s):
                await stop_all([*parts.timing, *parts.working.inputs, parts.journal])
                await self._decide_the_rest(parts.working.router)
        unfinished = await self._unfinished(parts.working.router)
        await parts.working.router.stop()
        await stop_all([*parts.telling, *parts.reading])
        parts.hub.close()
        await parts.server.stop()
        await parts.refusals.stop()
        seconds = round(time.monotonic() - began, 3)
        self._logger.info("stopped", seconds=seconds, unfinished=unfinished)
        return unfinished == 0

    async def _decide_the_rest(self, router: RouterPart) -> None:
        while not router.failure() and await self._unfinished(router) != 0:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(DRAIN_LOOK_S)

    async def _unfinished(self, router: RouterPart) -> int | None:
        """How much of what was taken here waits here; None while the log does not say.

        The log may be beyond a network. Where other services take or decide too, they go on.
        """
        if self._roles != ALL_ROLES:
            return 0
        try:
            return await asyncio.to_thread(router.lag)
        except LogError:
            return None


class Working(NamedTuple):
    """Router and feeds as health sees them, and what starts and stops the feeds."""

    router: RouterPart
    feeds: Sequence[FeedPart]
    inputs: Sequence[Component]


class ServiceParts(NamedTuple):
    """The parts of one service, and the order in which they start."""

    working: Working
    timing: Sequence[Component]
    reading: Sequence[Component]
    telling: Sequence[DeliveryComponent]
    server: HttpServer
    refusals: Refusals
    journal: Journal
    hub: Broadcaster

    def in_order(self) -> list[Component]:
        """Health first, so that a slow start can be seen; feeds last."""
        return [
            self.refusals, self.server, self.journal, self.working.router, *self.timing, *self.reading,
            *self.telling, *self.working.inputs,
        ]  # fmt: skip


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
    """The timeline in the log; None where there is none that can be read."""
    partition = log.partition_of(topics.AUTHORITY, realm)
    for row in log.load(TopicPartition(topics.AUTHORITY, partition)):
        if row.key == realm:
            return parsed(Authority, row)
    return None
