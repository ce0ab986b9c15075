"""How ``/health`` tells of subscribers: figures, ward codes and numbers of notices, nothing of a patient."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import Field

from router.delivery.lanes import LaneStatus
from router.delivery.sender import Sender
from schemas.base import Frozen, Utc


class StuckWard(Frozen):
    """A ward whose oldest notice a subscriber refused: later ones of the ward wait behind it."""

    ward: str
    sequence: int = Field(description="the notice's number, which `deliveries skip` takes")
    waiting_since: Utc
    answer: str = Field(description="why the last attempt failed")


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
    stuck: tuple[StuckWard, ...] = Field(
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
        stuck=tuple(map(_stuck_ward, standing.refused)),
        trouble=standing.trouble,
    )


def _stuck_ward(lane: LaneStatus) -> StuckWard:
    return StuckWard(
        ward=lane.ward,
        sequence=lane.sequence,
        waiting_since=datetime.fromtimestamp(lane.queued_at_s, UTC),
        answer=lane.last_answer or "",
    )
