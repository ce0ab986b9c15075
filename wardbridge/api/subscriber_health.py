"""The subscribers' part of ``/health``: counts, ward codes and sequence numbers, no patient data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from router.delivery.lanes import LaneStatus
from router.delivery.sender import Sender
from schemas.base import Frozen, Utc


class WaitingWard(Frozen):
    """A ward with open notices of one subscriber: the oldest of them, behind which the others wait."""

    ward: str
    sequence: int = Field(description="the notice's number, which `deliveries skip` takes")
    waiting_since: Utc
    waiting: int = Field(description="how many notices of the ward are open, this one among them")
    state: Literal["ready", "trying", "waiting", "held"] | None = Field(
        description="`trying`: an attempt is under way; `waiting`: for the next one; `held`: for the fields "
        "beside it, or a notice that comes first; none: nobody sends to the subscriber now"
    )
    attempts: int | None = Field(description="since the service started")
    next_attempt_at: Utc | None
    answer: str | None = Field(description="why the last attempt failed")
    said: str = Field(
        description="what the receiver gave as its reason: codes and known words, nothing that it quotes"
    )


class SubscriberHealth(Frozen):
    """One subscriber: what it took since the start, and why it takes nothing now."""

    name: str
    delivered: int
    parked: int
    skipped: int
    lost: int = Field(description="notices that went unsent, being kept no longer")
    refused_attempts: int
    incomplete: int = Field(
        description="how many were sent with fewer fields than they may have, not known in time"
    )
    last_delivered_at: Utc | None
    waiting: int = Field(description="notices that have not ended")
    waiting_since: Utc | None = Field(description="since when the oldest of them has been waiting")
    stuck: tuple[WaitingWard, ...] = Field(
        description="what `wardbridge_subscriber_stuck_wards` counts"
    )
    trouble: str | None


def subscriber_health(sender: Sender) -> SubscriberHealth:
    """How it is now."""
    standing = sender.standing()
    since_s = min((lane.queued_at_s for lane in standing.lanes), default=None)
    return SubscriberHealth(
        name=sender.name,
        **asdict(sender.figures),
        waiting=standing.waiting,
        waiting_since=None if since_s is None else datetime.fromtimestamp(since_s, UTC),
        stuck=tuple(map(waiting_ward, standing.refused)),
        trouble=standing.trouble,
    )


def waiting_ward(lane: LaneStatus) -> WaitingWard:
    """How it is now."""
    next_s = lane.next_attempt_s
    return WaitingWard(
        ward=lane.ward,
        sequence=lane.sequence,
        waiting_since=datetime.fromtimestamp(lane.queued_at_s, UTC),
        waiting=lane.waiting,
        state=lane.state,
        attempts=lane.attempts,
        next_attempt_at=None if next_s is None else datetime.fromtimestamp(next_s, UTC),
        answer=lane.last_answer,
        said=lane.said,
    )
