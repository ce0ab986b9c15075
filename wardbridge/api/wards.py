"""Routes of a ward: its list, its stream, and the acknowledgement of a patient."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Scope, Send

from bus.port import LogError, Record
from schemas import topics
from schemas.acknowledgement import Acknowledgement
from schemas.audit import Action
from schemas.base import Frozen, Utc
from schemas.delivery import ToldData
from schemas.fields import Level, reaches
from schemas.notification import DesignationData
from wardbridge.api.stream import Stream, while_allowed
from wardbridge.api.view import View
from wardbridge.config.authorisation import Reader
from wardbridge.readmodels.board import designation_of, key_of
from wardbridge.readmodels.broadcaster import Seats
from wardbridge.readmodels.event_id import PATTERN, parsed
from wardbridge.readmodels.occupancy import Occupancy
from wardbridge.readmodels.stream_events import StreamEvent
from wardbridge.security.audit import ShownRow, Trail
from wardbridge.security.authenticator import Asking

ASK_AGAIN_S: Final = 1
SEEN_WITHIN_S: Final = 2.0
LOOK_S: Final = 0.01  # how often an acknowledgement that is stored looks whether it is shown
_DESIGNATION: Final = r"^[0-9a-f]{32}$"
Responses = dict[int | str, dict[str, Any]]


class Acknowledged(Frozen):
    """Who has taken note, and when."""

    by: str
    at: Utc
    is_current: bool = Field(description="false: something changed since")


class OnTheWay(ToldData):
    """One who is coming."""

    designation: str = Field(description="id of the newest notice: acknowledge by it")
    acknowledged: Acknowledged | None = None


class InboundList(Frozen):
    """Who is on the way to a ward, now. Stream from ``last_event_id`` to hear what comes next."""

    ward: str
    name: str | None = Field(None, description="of the ward; none in an open register")
    sequence: int = Field(description="of the ward's newest notice when the list was read")
    last_event_id: str = Field(description="its id on the stream")
    patients: tuple[OnTheWay, ...]
    planned_discharges: tuple[Utc, ...] | None = Field(
        None, description="of those lying on the ward, earliest first; for operational fields"
    )
    occupancy: Occupancy | None = Field(
        None, description="the ward's places; for operational fields"
    )
    may_acknowledge: bool = Field(description="whether whoever asks may")


class SeatedResponse(StreamingResponse):
    """A stream; its seat is free again when it has ended, however it does."""

    def __init__(
        self, seats: Seats, reader: str, events: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._seats, self._reader = seats, reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seats.leave(self._reader)


def seat_of(asking: Reader) -> str:
    """Whose seat a stream takes; nobody's where nobody is asked."""
    return "" if asking.how == "nobody-asked" else f"{asking.how}/{asking.name}"


def add_wards(app: FastAPI, view: View, trail: Trail, seats: Seats) -> None:
    """Add the three routes."""
    _add_list(app, view, trail)
    _add_stream(app, view, trail, seats)
    _add_acknowledgement(app, view, trail)


# path: a ward's code may hold a slash
_UNKNOWN: Final[Responses] = {404: {"description": "no such ward"}}
_UNREAD: Final[Responses] = {
    503: {"description": "the list is not whole, `detail` says why: ask again"}
}
_FULL: Final[Responses] = {503: {"description": "too many streams are open: close some"}}
_NOT_OPEN: Final[Responses] = {
    404: {"description": "no such ward; or the notice is not the newest of one who is coming"}
}


def _add_list(app: FastAPI, view: View, trail: Trail) -> None:
    @app.get("/v1/wards/{ward:path}/inbound", responses=_UNKNOWN | _UNREAD)
    async def inbound(ward: str, asking: Asking, response: Response) -> InboundList:
        """Who is on the way to the ward, now."""
        response.headers["Cache-Control"] = "no-store"
        await _refuse_unread(view, ward)
        shown = list_of(view, ward, asking)
        fields = _level(view, ward, asking)
        try:
            rows = [ShownRow(each.visit, each.version, each.patient) for each in shown.patients]
            await trail.listed(asking, ward, fields, rows)
        except LogError:
            detail = "who reads this cannot be noted now, so it is not shown"
            raise HTTPException(503, detail, {"Retry-After": str(ASK_AGAIN_S)}) from None
        return shown


def _add_stream(app: FastAPI, view: View, trail: Trail, seats: Seats) -> None:
    @app.get("/v1/wards/{ward:path}/stream", responses=_UNKNOWN | _FULL)
    async def stream(
        ward: str,
        asking: Asking,
        last_event_id: Annotated[str | None, Header(pattern=PATTERN)] = None,
        after: Annotated[str | None, Query(pattern=PATTERN)] = None,
    ) -> StreamingResponse:
        """The ward's notices as server-sent events, from ``Last-Event-ID`` (or ``after``) on."""
        _refuse_unknown(view, ward)
        start = after if last_event_id is None else last_event_id
        last = None if start is None else parsed(start)
        reader = seat_of(asking)
        if not seats.take(reader):
            raise HTTPException(503, "too many streams are open: close those not needed")

        def note(notices: Sequence[StreamEvent]) -> None:
            trail.streamed(asking, ward, notices)

        sees_more = reaches(_level(view, ward, asking), "operational")
        events = Stream(view, ward, last, note, sees_occupancy=sees_more).events()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        allowed = while_allowed(events, asking.until, view.now)
        return SeatedResponse(seats, reader, allowed, headers)


def _add_acknowledgement(app: FastAPI, view: View, trail: Trail) -> None:
    @app.post(
        "/v1/wards/{ward:path}/inbound/{designation}/acknowledgement", responses=_NOT_OPEN | _UNREAD
    )
    async def acknowledge(
        ward: str, designation: Annotated[str, Path(pattern=_DESIGNATION)], asking: Asking
    ) -> Acknowledgement:
        """Say that the ward knows of one who is coming; said again, the first counts."""
        await _refuse_unread(view, ward)
        row = view.hub.board.open_as(ward, designation)
        if row is None:
            raise HTTPException(404, "not coming, or something changed since: read the list again")
        if before := _current(view, row):
            return before
        said = Acknowledgement(
            realm=row.realm,
            ward=ward,
            visit=row.visit,
            designation=designation,
            seen_version=row.version,
            announced_at=row.announced_at,
            by=asking.name,
            at=view.now(),
        )
        value = said.model_dump_json().encode()
        record = Record(topics.ACKNOWLEDGEMENTS, row.realm, key_of(row), value)
        entry = trail.entry_of(asking, row, Action.ACKNOWLEDGED)
        try:
            await asyncio.to_thread(view.log.append, [record, *([entry] if entry else [])])
        except LogError as error:
            raise HTTPException(503, f"not stored, say it again: {type(error).__name__}") from None
        return await _as_everybody_sees(view, row, said)


async def _as_everybody_sees(
    view: View, row: DesignationData, said: Acknowledgement
) -> Acknowledgement:
    """The one that counts: somebody else may have said it at the same time, also to another process.

    Both are in the log, and every process that reads it takes the first.
    """
    goes_on = view.looking_again()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEEN_WITHIN_S):
            while not (first := _current(view, row)) and await goes_on():  # noqa: ASYNC110 - a thread looks
                await asyncio.sleep(LOOK_S)
    return first or said


def _current(view: View, row: DesignationData) -> Acknowledgement | None:
    found = view.hub.board.acknowledgement(row)
    return found if found is not None and found.seen_version == row.version else None


def list_of(view: View, ward: str, asking: Reader) -> InboundList:
    """The list as somebody may see it."""
    registered, newest = view.register.wards.get(ward), view.hub.board.last_id(ward)
    hospital = view.register.hospital_of(ward)
    level, inbound = _level(view, ward, asking), view.hub.board.inbound(ward)
    sees_more = reaches(level, "operational")
    known, occupancy = (view.hub.known, view.hub.occupancy) if sees_more else (None, None)
    return InboundList(
        ward=ward,
        name=registered.name if registered else None,
        sequence=newest.sequence,
        last_event_id=str(newest),
        patients=tuple(_on_the_way(view, row, level) for row in inbound),
        planned_discharges=tuple(known.census.leaving(ward)) if known else None,
        occupancy=occupancy(ward) if occupancy else None,
        may_acknowledge=asking.may_at("acknowledge", ward, hospital),
    )


def _on_the_way(view: View, row: DesignationData, level: Level) -> OnTheWay:
    beside = view.hub.known.beside(row, level) if view.hub.known else None
    said = view.hub.board.acknowledgement(row)
    return OnTheWay(
        **dict(row),
        designation=designation_of(row),
        acknowledged=said
        and Acknowledged(by=said.by, at=said.at, is_current=said.seen_version == row.version),
        details=beside and beside.details,
        patient=beside and beside.patient,
    )


def _level(view: View, ward: str, asking: Reader) -> Level:
    return asking.level_at(ward, view.register.hospital_of(ward))


async def _refuse_unread(view: View, ward: str) -> None:
    _refuse_unknown(view, ward)
    if reason := await view.why_lists_wait():
        raise HTTPException(503, reason, {"Retry-After": str(ASK_AGAIN_S)})


def _refuse_unknown(view: View, ward: str) -> None:
    if not ward or not (view.register.is_open or ward in view.register.wards):
        raise HTTPException(404, "the ward register has no such ward")
