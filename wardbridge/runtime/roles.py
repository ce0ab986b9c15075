"""Builds the router and the feeds of an installation, in whichever process they run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from adapters.common.review import FeedReview
from adapters.common.settings import Port
from bus.port import Log
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.component import FeedComponent
from wardbridge.ingest.kind import Clock, FeedEnvironment, ReadingContext, RunningFeed
from wardbridge.ingest.kinds import KINDS, fingerprint_of
from wardbridge.logstore.revisions import revised
from wardbridge.reviewing.component import EndsOfItems
from wardbridge.reviewing.records import open_statements
from wardbridge.routing.component import RouterComponent
from wardbridge.routing.step import make_runner
from wardbridge.security.secret import claimed_keyer_of


class Role(StrEnum):
    """What a service may be there for; the values are those of ``--role``."""

    ADAPTERS = "adapters"
    ROUTER = "router"
    DELIVERY = "delivery"
    HTTP = "http"


ALL_ROLES: Final = frozenset(Role)


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def router_of(log: Log, installation: Installation) -> RouterComponent:
    """The router."""
    return RouterComponent(make_runner(log, installation))


class Feeds(NamedTuple):
    """The feeds of an installation, and what tells them which of their review items have ended."""

    parts: Sequence[FeedComponent]
    ends: EndsOfItems


def feeds_of(
    log: Log, installation: Installation, port_offset: int, clock: Clock = utc_now
) -> Feeds:
    """Every configured feed, its reading numbered. Raises LogError."""
    listening = sum(isinstance(feed.settings, Port) for feed in installation.feeds)
    place = FeedEnvironment(log, installation.data, port_offset, ports=max(1, listening))
    describe = installation.settings.identities.keep
    reviews: list[FeedReview] = []

    def made(feed: Feed) -> FeedComponent:
        identity = revised(log, feed.identity, fingerprint_of(feed, installation), clock)
        review = FeedReview(identity, open_statements(log, identity))
        reviews.append(review)
        own = replace(place, review=review)

        def make() -> RunningFeed:
            keyer = claimed_keyer_of(log, installation, clock)
            reading = ReadingContext(
                identity, installation.register, keyer, clock, describe=describe
            )
            return KINDS[feed.kind].make(reading, own, feed.settings)

        return FeedComponent(identity.name, make)

    parts = [made(feed) for feed in installation.feeds]
    return Feeds(parts, EndsOfItems(log, reviews))


def processes_of(feeds: Sequence[Feed]) -> Iterator[tuple[str, Sequence[Feed]]]:
    """Which feeds work in one process: each that needs one for itself, then all others.

    With each its name; the one of all others has none.
    """
    others: list[Feed] = []
    for feed in feeds:
        if KINDS[feed.kind].configured.is_alone(feed.settings):
            yield f"feed {feed.identity.name}", [feed]
        else:
            others.append(feed)
    if others:
        yield "", others
