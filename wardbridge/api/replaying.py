"""Routes: a subscriber reads its past notices from a number or a time, and has them sent again.

Invariants: nobody is told of another's notices, nor of a ward that they may not read by now; what is read here has the
minimal fields, and what is sent again what the subscriber may be told. Who asked is noted before it is answered.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Body, FastAPI, HTTPException, Query
from pydantic import AwareDatetime, Field

from bus.port import Log, LogError
from router.delivery.channel import Outgoing
from router.delivery.channels.webhook import event_of
from router.delivery.history import Again, history_of, send_again
from router.delivery.queue import partition_of
from schemas.audit import Action
from schemas.base import Frozen
from schemas.delivery import SubscriberNotice
from wardbridge.api.subscribers import MAX_SEQUENCE
from wardbridge.api.view import View
from wardbridge.config.authorisation import Reader
from wardbridge.security.audit import ShownRow, Trail
from wardbridge.security.authenticator import Asking
from wardbridge.subscriptions.registrar import Registrar

MAX_NOTICES: Final = 500
"""In one answer, the oldest first: whoever wants more asks from ``next``."""
Number = Annotated[int, Query(alias="from", ge=1, le=MAX_SEQUENCE)]
Since = Annotated[
    AwareDatetime | None, Query(description="queued then or later, as 2026-01-20T08:00+01:00")
]
Limit = Annotated[int, Query(ge=1, le=MAX_NOTICES)]
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "there is no such subscriber, or its token is not yours"},
    503: {"description": "the log cannot be asked"},
}
T = TypeVar("T")


class Notices(Frozen):
    """Some of what a subscriber was sent, or will be."""

    subscriber: str
    newest: int = Field(description="the newest number that it has; 0: none yet")
    notices: tuple[SubscriberNotice, ...] = Field(
        description="in the order of their numbers, with the minimal fields; a number that is left out is kept no "
        "longer, or of a ward that whoever asks may not read"
    )
    next: int | None = Field(description="ask from this number for more; none: that was all")


class WantedNotices(NamedTuple):
    """Which notices are asked for."""

    first: int
    since: datetime | None
    limit: int


class From(Frozen):
    """Which numbers are to be sent again."""

    first: int = Field(alias="from", ge=1, le=MAX_SEQUENCE, description="the first number")
    last: int = Field(
        MAX_SEQUENCE, alias="to", ge=1, le=MAX_SEQUENCE, description="the last; none: the newest"
    )


class SentAgain(Frozen):
    """What is queued, under the numbers that they have."""

    subscriber: str
    queued: tuple[int, ...] = Field(
        description="what has ended; what has not is sent anyway, and is not among them"
    )
    next: int | None = Field(description="ask from this number for more; none: that was all")


class ReplayRoutes:
    """The two routes."""

    def __init__(self, view: View, trail: Trail, registrar: Registrar) -> None:
        self._view = view
        self._trail = trail
        self._registrar = registrar
        self._one_at_a_time = asyncio.Lock()
        """What is far back is read from the log: by one who asks at a time."""

    def add_to(self, app: FastAPI) -> None:
        """Add them."""

        @app.get(
            "/v1/subscribers/{name}/notices", responses=REFUSALS, response_model_exclude_none=True
        )
        async def notices(
            name: str, asking: Asking, number: Number = 1, since: Since = None, limit: Limit = 100
        ) -> Notices:
            """What a subscriber was sent, from a number or a time on, the oldest first."""
            await self._refuse_others(asking, name)
            return await self._notices(name, asking, WantedNotices(number, since, limit))

        @app.post("/v1/subscribers/{name}/replay", status_code=202, responses=REFUSALS)
        async def replay(name: str, wanted: Annotated[From, Body()], asking: Asking) -> SentAgain:
            """Send a subscriber again what it was sent, from a number on: the same ids and numbers."""
            await self._refuse_others(asking, name)
            about = f"{name}/{wanted.first}-"
            await _of_log(self._trail.did(asking, Action.SENT_AGAIN, about))
            return await self._replayed(name, asking, wanted)

    async def _refuse_others(self, asking: Reader, name: str) -> None:
        may_ask = asyncio.to_thread(self._registrar.may_ask_for, asking, name)
        if not await _of_log(may_ask):
            raise HTTPException(404, f"there is no subscriber {name!r}, or it is not yours")

    async def _notices(self, name: str, asking: Reader, wanted: WantedNotices) -> Notices:
        async with self._one_at_a_time:
            read = asyncio.to_thread(_kept, self._view.log, name, wanted)
            newest, found = await _of_log(read)
        shown = [each for each in found if _may_read(asking, each)]
        await _of_log(self._note(asking, shown))
        last = found[-1].sequence if found else newest
        return Notices(
            subscriber=name, newest=newest, notices=tuple(event_of(name, each) for each in shown),
            next=last + 1 if last < newest else None,
        )  # fmt: skip

    async def _replayed(self, name: str, asking: Reader, wanted: From) -> SentAgain:
        def again() -> Again:
            def is_meant(each: Outgoing) -> bool:
                return _may_read(asking, each)

            return send_again(self._view.log, name, wanted.first, wanted.last, is_meant)

        async with self._one_at_a_time:
            queued, more = await _of_log(asyncio.to_thread(again))
        return SentAgain(subscriber=name, queued=tuple(queued), next=more)

    async def _note(self, asking: Reader, shown: Sequence[Outgoing]) -> None:
        by_ward: defaultdict[str, list[ShownRow]] = defaultdict(list)
        for each in shown:
            data = each.notice.data
            by_ward[data.ward].append(ShownRow(data.visit, data.version))
        for ward, rows in by_ward.items():
            await self._trail.listed(asking, ward, "minimal", rows, Action.READ)


def _kept(log: Log, name: str, wanted: WantedNotices) -> tuple[int, list[Outgoing]]:
    """The newest number, and the notices. Raises LogError."""
    offset, since_s = 0, 0.0
    if wanted.since is not None:
        since_s = wanted.since.timestamp()
        offset = log.since(partition_of(log, name), int(since_s * 1000))
    history = history_of(log, name, wanted.first, offset)
    found = (each for each in history.since(wanted.first) if each.queued_at_s >= since_s)
    return history.last, list(islice(found, wanted.limit))


def _may_read(asking: Reader, each: Outgoing) -> bool:
    data = each.notice.data
    return asking.may_at("read", data.ward, data.hospital)


async def _of_log(ask: Awaitable[T]) -> T:
    try:
        return await ask
    except LogError as error:
        raise HTTPException(503, f"the log: {type(error).__name__}") from None
