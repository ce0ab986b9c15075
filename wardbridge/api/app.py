"""The FastAPI application: all routes, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field
from starlette.exceptions import HTTPException

from adapters.common.asking import add_description, route_that_asks
from schemas.base import Frozen, Utc
from wardbridge.api.described import describe, name_of
from wardbridge.api.directory import add_directory
from wardbridge.api.fhir.surface import SubscriptionSurface
from wardbridge.api.metrics import ViewCollector
from wardbridge.api.problems import badly_asked, refused
from wardbridge.api.registering import add_registering
from wardbridge.api.replaying import ReplayRoutes
from wardbridge.api.review import ReviewRoutes
from wardbridge.api.signing_in import add_sessions
from wardbridge.api.subscriber_health import SubscriberHealth, subscriber_health
from wardbridge.api.subscribers import add_subscribers
from wardbridge.api.view import View
from wardbridge.api.waiting import add_waiting
from wardbridge.api.wards import add_wards
from wardbridge.readmodels.broadcaster import Seats
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.reviewing.desk import Desk
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Authenticator
from wardbridge.security.refusals import Refusals
from wardbridge.subscriptions.registrar import Registrar
from wardbridge.web.page import add_page

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "show a token: `Authorization: Bearer …`"},
    403: {"description": "not with these rights, whether or not there is such a ward"},
}


class FeedHealth(Frozen):
    """One feed: when it last had an input, and its counts since the start."""

    name: str
    last_seen: Utc | None
    last_accepted_at: Utc | None = Field(description="an input that was not withheld as a whole")
    blocking: str | None
    trouble: str | None = Field(description="it works, and something that it asks does not")
    figures: dict[str, int]


class WaitingItems(Frozen):
    """Open review items of one feed and reason."""

    feed: str
    reason: str
    open: int
    mark_unread: int = Field(description="in which a mark, or what may be one, told nobody")
    oldest_at: Utc


class ReviewHealth(Frozen):
    """What waits for a person."""

    open: int
    mark_unread: int
    oldest_at: Utc | None
    by: tuple[WaitingItems, ...]
    beyond: int = Field(description="how many more there are than are counted")


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


class Health(Frozen):
    """How every part is."""

    ready: bool
    register_trouble: str | None = Field(
        description="the ward register is damaged, and that of the last good start is used"
    )
    feeds: tuple[FeedHealth, ...]
    review: ReviewHealth | None = Field(description="none until it has been read")
    router: RouterHealth
    subscribers: tuple[SubscriberHealth, ...]
    listeners: int
    listeners_cut_off: int
    open_designations: int


class Readiness(Frozen):
    """Whether it does its work, and what blocks: component to reason. One feed of several may."""

    ready: bool
    blocking: dict[str, str]


class Noted(NamedTuple):
    """What notes who sees what, and what notes who was refused."""

    trail: Trail
    refusals: Refusals

    def failures(self) -> int:
        """Entries that could not be written."""
        return self.trail.failures + self.refusals.failures


class Serving(NamedTuple):
    """What is asked of it beyond looking: to register subscribers, who find us there, and review."""

    registrar: Registrar
    fhir_base: str
    desk: Desk


def make_app(
    view: View,
    gate: Authenticator,
    noted: Noted,
    seats: Seats,
    serving: Serving | None = None,
) -> FastAPI:
    """The application over a running service; ``serving``: it reads what wards are told."""
    refusals, trail = {} if gate.is_open else _REFUSALS, noted.trail
    app = FastAPI(
        title="wardbridge", docs_url=None, redoc_url=None, openapi_url=None, responses=refusals,
        version=version("wardbridge"), generate_unique_id_function=name_of,
    )  # fmt: skip
    app.router.route_class = route_that_asks(gate)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, badly_asked)
    add_description(app)
    _add_probes(app, view)
    _add_metrics(app, view, gate, noted)
    add_sessions(app, gate)
    add_subscribers(app, view, trail)
    add_waiting(app, view)
    if serving is not None:
        add_wards(app, view, trail, seats)
        add_directory(app, view, trail, seats)
        add_page(app)
        add_registering(app, serving.registrar, trail, view.log)
        ReplayRoutes(view, trail, serving.registrar).add_to(app)
        SubscriptionSurface(view, trail, serving.registrar, serving.fhir_base).add_to(app)
        ReviewRoutes(serving.desk, view.review, trail).add_to(app)
    describe(app)
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
        body = Readiness(ready=view.is_ready(blocking), blocking=blocking)
        return JSONResponse(body.model_dump(), status_code=200 if body.ready else 503)

    @app.get("/health")
    async def health() -> Health:
        """How every part is."""
        return await asyncio.to_thread(health_of, view)


def _add_metrics(app: FastAPI, view: View, gate: Authenticator, noted: Noted) -> None:
    registry = CollectorRegistry()

    def connections() -> Mapping[str, int]:
        return app.state.connections() if hasattr(app.state, "connections") else {}

    registry.register(ViewCollector(view, gate.refused, noted.failures, connections))

    @app.get("/metrics")
    async def metrics() -> Response:
        """For Prometheus."""
        page = await asyncio.to_thread(generate_latest, registry)
        return Response(page, media_type=CONTENT_TYPE_LATEST)


def health_of(view: View) -> Health:
    """How every part is, as a value."""
    router = view.router.figures()
    return Health(
        ready=view.is_ready(view.blocking()),
        register_trouble=view.register_trouble,
        feeds=tuple(_feed_health(view)),
        review=_review_health(view.review) if view.review.is_whole else None,
        router=RouterHealth(
            records=router.records,
            commits=router.commits,
            failures=router.failures,
            lag_records=view.lag(),
            stalled=view.progress.stalled(),
            blocking=view.router.failure() or view.router.blocking(),
        ),
        subscribers=tuple(map(subscriber_health, view.senders.values())),
        listeners=view.hub.listeners(),
        listeners_cut_off=view.hub.cut_off,
        open_designations=view.hub.board.open_designations(),
    )


def _feed_health(view: View) -> list[FeedHealth]:
    return [
        FeedHealth(
            name=feed.feed_name,
            last_seen=(status := feed.status()).last_seen,
            last_accepted_at=status.last_accepted_at,
            blocking=feed.failure() or feed.blocking(),
            trouble=status.trouble,
            figures=dict(status.figures),
        )
        for feed in view.feeds
    ]


def _review_health(review: ReviewFollower) -> ReviewHealth:
    by = [WaitingItems(**each._asdict()) for each in review.index.waiting() if each.open]
    return ReviewHealth(
        open=sum(each.open for each in by),
        mark_unread=sum(each.mark_unread for each in by),
        oldest_at=min((each.oldest_at for each in by), default=None),
        by=tuple(by),
        beyond=review.index.beyond,
    )
