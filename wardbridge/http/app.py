"""The routes."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.notification import DesignationData
from wardbridge.http.event_id import PATTERN, parsed
from wardbridge.http.metrics import ViewCollector
from wardbridge.http.page import add_page
from wardbridge.http.stream import Stream
from wardbridge.http.subscribers import add_subscribers
from wardbridge.http.view import View

ASK_AGAIN_S: Final = 1
MAX_STREAMS: Final = 500
"""Open at once. Each holds a file descriptor that record systems need to connect, and a
subscriber that leaks connections must not keep a hospital's messages out."""


class InboundList(Frozen):
    """Who is on the way to a ward, now. Stream from ``last_event_id`` to hear what comes next."""

    ward: str
    name: str | None = Field(None, description="of the ward; none in an open register")
    sequence: int = Field(description="of the ward's newest notice when the list was read")
    last_event_id: str = Field(description="its id on the stream")
    patients: tuple[DesignationData, ...]


class FeedHealth(Frozen):
    """One feed: when it last had an input, and its counts since the start."""

    name: str
    last_seen: Utc | None
    blocking: str | None
    figures: dict[str, int]


class RouterHealth(Frozen):
    """The router: what it has done since the start, and what waits."""

    records: int
    commits: int
    failures: int
    lag_records: int | None = Field(description="none while the log cannot be asked")
    stalled: tuple[str, ...] = Field(
        description="`topic/partition` where it stands still although records wait"
    )
    blocking: str | None


class SubscriberHealth(Frozen):
    """One subscriber: what it took since the start, and why it takes nothing now."""

    name: str
    delivered: int
    parked: int
    skipped: int
    lost: int = Field(description="how often notices may have gone unsent, being kept no longer")
    refused_attempts: int
    last_delivered_at: Utc | None
    trouble: str | None


class Health(Frozen):
    """How every part is."""

    ready: bool
    feeds: tuple[FeedHealth, ...]
    router: RouterHealth
    subscribers: tuple[SubscriberHealth, ...]
    listeners: int
    listeners_cut_off: int
    open_designations: int


class Readiness(Frozen):
    """Ready, or what blocks: component to reason."""

    ready: bool
    blocking: dict[str, str]


def make_app(view: View, max_streams: int = MAX_STREAMS, *, has_lists: bool = True) -> FastAPI:
    """The application over a running service; ``has_lists``: it reads what wards are told."""
    app = FastAPI(title="wardbridge", docs_url=None, redoc_url=None)
    _add_probes(app, view)
    _add_metrics(app, view)
    add_subscribers(app, view)
    if has_lists:
        _add_wards(app, view, max_streams)
        add_page(app)
    return app


def _add_probes(app: FastAPI, view: View) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, bool]:
        """The process runs."""
        return {"alive": True}

    @app.get("/readyz", response_model=Readiness)
    async def readyz() -> Response:
        """Ready to do its work; 503 names what blocks."""
        blocking = await asyncio.to_thread(view.blocking)  # the log may be beyond a network
        body = Readiness(ready=not blocking, blocking=blocking)
        return JSONResponse(body.model_dump(), status_code=503 if blocking else 200)

    @app.get("/health")
    async def health() -> Health:
        """How every part is."""
        return await asyncio.to_thread(health_of, view)


def _add_metrics(app: FastAPI, view: View) -> None:
    registry = CollectorRegistry()
    registry.register(ViewCollector(view))

    @app.get("/metrics")
    async def metrics() -> Response:
        """For Prometheus."""
        page = await asyncio.to_thread(generate_latest, registry)
        return Response(page, media_type=CONTENT_TYPE_LATEST)


def _add_wards(app: FastAPI, view: View, max_streams: int) -> None:
    # path: a ward's code may hold a slash
    unknown: dict[int | str, dict[str, Any]] = {404: {"description": "no such ward"}}
    unread = _unavailable("the list is not whole, `detail` says why: ask again")

    @app.get("/v1/wards/{ward:path}/inbound", responses=unknown | unread)
    async def inbound(ward: str) -> InboundList:
        """Who is on the way to the ward, now."""
        _refuse_unknown(view, ward)
        if reason := await view.why_lists_wait():
            raise HTTPException(503, reason, {"Retry-After": str(ASK_AGAIN_S)})
        known, newest = view.register.wards.get(ward), view.hub.board.last_id(ward)
        return InboundList(
            ward=ward,
            name=known.name if known else None,
            sequence=newest.sequence,
            last_event_id=str(newest),
            patients=tuple(view.hub.board.inbound(ward)),
        )

    full = _unavailable("too many streams are open: close some")

    @app.get("/v1/wards/{ward:path}/stream", responses=unknown | full)
    async def stream(
        ward: str,
        last_event_id: Annotated[str | None, Header(pattern=PATTERN)] = None,
        after: Annotated[str | None, Query(pattern=PATTERN)] = None,
    ) -> StreamingResponse:
        """The ward's notices as server-sent events, from ``Last-Event-ID`` (or ``after``) on."""
        _refuse_unknown(view, ward)
        if view.hub.listeners() >= max_streams:
            raise HTTPException(503, "too many streams are open: close those not needed")
        start = after if last_event_id is None else last_event_id
        last = None if start is None else parsed(start)
        events = Stream(
            view.hub, view.log, ward, last, view.heartbeat_s, view.why_lists_wait
        ).events()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _unavailable(description: str) -> dict[int | str, dict[str, Any]]:
    return {503: {"description": description}}


def _refuse_unknown(view: View, ward: str) -> None:
    if not ward or not (view.register.is_open or ward in view.register.wards):
        raise HTTPException(404, "the ward register has no such ward")


def health_of(view: View) -> Health:
    """How every part is, as a value."""
    router = view.router.figures()
    return Health(
        ready=not view.blocking(),
        feeds=tuple(_feed_health(view)),
        router=RouterHealth(
            records=router.records,
            commits=router.commits,
            failures=router.failures,
            lag_records=view.lag(),
            stalled=view.progress.stalled(),
            blocking=view.router.failure() or view.router.blocking(),
        ),
        subscribers=tuple(
            SubscriberHealth(name=sender.name, **asdict(sender.figures)) for sender in view.senders
        ),
        listeners=view.hub.listeners(),
        listeners_cut_off=view.hub.cut_off,
        open_designations=view.hub.board.open_designations(),
    )


def _feed_health(view: View) -> list[FeedHealth]:
    return [
        FeedHealth(
            name=feed.feed_name,
            last_seen=feed.status().last_seen,
            blocking=feed.failure() or feed.blocking(),
            figures=dict(feed.status().figures),
        )
        for feed in view.feeds
    ]
