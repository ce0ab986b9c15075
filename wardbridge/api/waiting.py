"""Route: the oldest undelivered notice of each ward and subscriber, with the number that ``skip`` takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from pydantic import Field

from bus.port import Log
from router.delivery.history import open_of, state_of
from router.delivery.sender import Sender
from schemas.base import Frozen
from wardbridge.api.subscriber_health import WaitingWard, waiting_ward
from wardbridge.api.view import View

Name = Annotated[str | None, Query(description="only this one's")]


class WaitingAt(Frozen):
    """One subscriber's."""

    subscriber: str
    trouble: str | None = Field(description="why it takes nothing, or why the wards that wait do")
    waiting: int = Field(description="notices that have not ended, of all wards")
    wards: tuple[WaitingWard, ...]


class AllWaiting(Frozen):
    """Those of whom something waits."""

    subscribers: tuple[WaitingAt, ...]


def add_waiting(app: FastAPI, view: View) -> None:
    """Add the route. It tells of wards and numbers, of no visit."""

    @app.get(
        "/v1/deliveries/waiting", responses={404: {"description": "there is no such subscriber"}}
    )
    async def waiting(subscriber: Name = None) -> AllWaiting:
        """Each ward's oldest open notice: since when, next attempt, last answer, how many behind it."""
        if subscriber is not None and subscriber not in view.senders:
            raise HTTPException(404, f"there is no subscriber {subscriber!r}")
        chosen = [each for each in view.senders.values() if subscriber in {None, each.name}]
        found = (_waiting_at(each) for each in chosen)
        return AllWaiting(subscribers=tuple(each for each in found if each.waiting))


def _waiting_at(sender: Sender) -> WaitingAt:
    standing = sender.standing()
    wards = map(waiting_ward, sorted(standing.lanes, key=lambda lane: lane.sequence))
    return WaitingAt(
        subscriber=sender.name, trouble=standing.trouble, waiting=standing.waiting,
        wards=tuple(wards),
    )  # fmt: skip


def waiting_in(log: Log, subscriber: str) -> WaitingAt:
    """The same as far as it is committed, while nobody sends. Raises LogError."""
    state = state_of(log, subscriber)
    found = sorted(open_of(log, state), key=lambda each: each.out.sequence)
    wards = tuple(
        WaitingWard(
            ward=out.notice.subject, sequence=out.sequence, waiting=waiting, state=None,
            waiting_since=datetime.fromtimestamp(out.queued_at_s, UTC), attempts=None,
            next_attempt_at=None, answer=None, said="",
        )
        for out, waiting in found
    )  # fmt: skip
    total = sum(mark.waiting for mark in state.lanes.values())
    total += state.rest.waiting if state.rest else 0
    return WaitingAt(subscriber=subscriber, trouble=state.paused, waiting=total, wards=wards)
