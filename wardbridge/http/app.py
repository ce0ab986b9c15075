"""The routes."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field

from adapters.common.asking import add_description, route_that_asks
from schemas.base import Frozen, Utc
from wardbridge.http.access.gate import Gate
from wardbridge.http.access.signing_in import add_sessions
from wardbridge.http.audit import Trail
from wardbridge.http.body import badly_asked
from wardbridge.http.fhir.surface import Surface
from wardbridge.http.metrics import ViewCollector
from wardbridge.http.page import add_page
from wardbridge.http.registering import add_registering
from wardbridge.http.registrar import Registrar
from wardbridge.http.subscribers import add_subscribers
from wardbridge.http.view import View
from wardbridge.http.wards import add_wards

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "show a token: `Authorization: Bearer …`"},
    403: {"description": "not with these rights, whether or not there is such a ward"},
}


class FeedHealth(Frozen):
    """One feed: when it last had an input, and its counts since the start."""

    name: str
    last_seen: Utc | None
    blocking: str | None
    trouble: str | None = Field(description="it works, and something that it asks does not")
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


class Registering(NamedTuple):
    """Who registers subscribers, and where they find us."""

    registrar: Registrar
    fhir_base: str


def make_app(
    view: View,
    gate: Gate,
    trail: Trail,
    max_streams: int,
    registering: Registering | None = None,
) -> FastAPI:
    """The application over a running service; ``registering``: it reads what wards are told."""
    refusals = {} if gate.is_open else _REFUSALS
    app = FastAPI(
        title="wardbridge", docs_url=None, redoc_url=None, openapi_url=None, responses=refusals
    )
    app.router.route_class = route_that_asks(gate)
    app.add_exception_handler(RequestValidationError, badly_asked)
    add_description(app)
    _add_probes(app, view)
    _add_metrics(app, view, gate, trail)
    add_sessions(app, gate)
    add_subscribers(app, view, trail)
    if registering is not None:
        add_wards(app, view, trail, max_streams)
        add_page(app)
        add_registering(app, registering.registrar, trail)
        Surface(view, trail, registering.registrar, registering.fhir_base).add_to(app)
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


def _add_metrics(app: FastAPI, view: View, gate: Gate, trail: Trail) -> None:
    registry = CollectorRegistry()
    registry.register(ViewCollector(view, gate.refused, lambda: trail.failures))

    @app.get("/metrics")
    async def metrics() -> Response:
        """For Prometheus."""
        page = await asyncio.to_thread(generate_latest, registry)
        return Response(page, media_type=CONTENT_TYPE_LATEST)


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
            trouble=feed.status().trouble,
            figures=dict(feed.status().figures),
        )
        for feed in view.feeds
    ]
