"""What a subscriber is sent, and what became of it. Topics ``subscribers`` and ``deliveries``.

A subscriber's notices are numbered from 1 without a gap; the number stays with the notice however
often it is sent. Nothing that is kept here holds anything of a patient but the visit's number; who it is
and where from is looked up for each attempt, and is in what is sent only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import ConfigDict, Field

from schemas.base import Frozen, Utc, VisitRef
from schemas.fields import Details, Identity, Level
from schemas.notification import DesignationData, Kind, Notification

TOLD_SCHEMA_ID: Final = "urn:wardbridge:told:1"
"""``$id`` of the published JSON Schema of the data of a notice that tells more than the minimum."""

NOTICE_SCHEMA_ID: Final = "urn:wardbridge:subscriber-notice:1"
TEST_SCHEMA_ID: Final = "urn:wardbridge:test-event:1"
"""Of the whole notice as a subscriber gets it, and of a test event."""


class ToldData(DesignationData):
    """A designation, and what somebody with more than the minimal fields is told besides."""

    model_config = ConfigDict(hide_input_in_errors=True)

    details: Details | None = Field(
        None,
        description="for operational fields; none where nothing is known, and for a protected person "
        "unless it is for identified fields",
    )
    patient: Identity | None = Field(
        None, description="for identified fields; none where it is not known"
    )
    incomplete: Literal[True] | None = Field(
        None,
        description="true: the subscriber may be told more, which was not known in time; the ward's list has it",
    )


class SubscriberNotice(Notification):
    """A notice as one subscriber gets it. Two extension attributes (CloudEvents 1.0, section 3).

    Whoever is told more than the minimum finds it in ``data``, as it is known when it is sent.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    data: ToldData
    subscription: str = Field(description="the subscriber's configured name")
    subscriptionsequence: int = Field(
        ge=1, description="of this subscriber's notices, without a gap"
    )


class TestEvent(Frozen):
    """Sent on demand, to see whether an endpoint takes what it is sent: about nobody, unnumbered."""

    __test__ = False  # no test for pytest

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: Literal["/wardbridge"] = "/wardbridge"
    type: Literal["wardbridge.test.v1"] = "wardbridge.test.v1"
    time: Utc
    subscription: str = Field(description="the subscriber's configured name")


class Outcome(StrEnum):
    """How a delivery ended."""

    DELIVERED = "delivered"
    PARKED = "parked"  # given up after the configured time: may be sent again by hand
    SKIPPED = "skipped"  # given up by a person: may be sent again too


class Delivery(Frozen):
    """One notice at one subscriber, at its end."""

    type: Literal["delivery"] = "delivery"
    version: Literal[1] = 1
    subscriber: str
    sequence: int = Field(ge=1, description="of this subscriber's notices, without a gap")
    event: str = Field(description="the notification's id")
    kind: Kind
    ward: str
    visit: VisitRef
    outcome: Outcome
    attempts: int = Field(ge=0, description="since the service started")
    fields: Level = Field(
        "minimal", description="how much the endpoint may have been told since the service started"
    )
    incomplete: bool = Field(
        default=False,
        description="it was sent with the minimal fields only: more was not known in time",
    )
    status: int | None = Field(None, description="HTTP status of the last answer, if there was one")
    reason: str | None = Field(None, description="why it was not taken, or what the person said")
    at: Utc


class Backlog(Frozen):
    """What is still to be sent, and from which place of a subscriber's queue on."""

    offset: int = Field(ge=0, description="in topic `outgoing`")
    sequence: int = Field(ge=0, description="number of the last notice before it")
    waiting: int = Field(ge=0, description="how many notices are open from there on")


class Tried(Frozen):
    """What came of the test notice, or of the handshake, before the first notice."""

    at: Utc
    refusal: str | None = Field(None, description="why it was not taken; none: it was taken")
    status: int | None = Field(None, description="HTTP status of the answer, if there was one")


class SubscriberState(Frozen):
    """How far one subscriber is. Only who reads its queue writes it, in the commit of the position."""

    type: Literal["subscriber"] = "subscriber"
    version: Literal[2] = 2
    subscriber: str
    sequence: int = Field(0, ge=0, description="number of the last notice that was read")
    position: int = Field(
        0, ge=0, description="offset in topic `outgoing` before which its notices were counted"
    )
    lanes: dict[str, Backlog] = Field(
        {}, description="by ward, its first open notice; a ward without one has none"
    )
    rest: Backlog | None = Field(None, description="from here on nothing was looked at yet")
    endpoint: str = Field(
        "", description="hash of where notices went; a pause ends when it changes"
    )
    paused: str | None = Field(None, description="why nothing is sent, none while it is")
    introduced: bool = Field(
        default=False,
        description="the endpoint was sent a test notice, or has answered a handshake",
    )
    tried: Tried | None = Field(None, description="what came of that")
