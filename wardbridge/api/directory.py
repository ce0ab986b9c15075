"""Routes: the wards that the caller may read, and one stream over several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from schemas.base import Frozen
from schemas.fields import Level
from schemas.ward import CareType
from wardbridge.api.several import PATTERN, SeveralWards, StreamPosition
from wardbridge.api.stream import while_allowed
from wardbridge.api.view import View
from wardbridge.api.wards import ASK_AGAIN_S, SeatedResponse, seat_of
from wardbridge.config.authorisation import Reader
from wardbridge.readmodels.broadcaster import Seats
from wardbridge.readmodels.stream_events import StreamEvent
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Asking

MAX_WARDS: Final = 1_000
"""Of one stream: twice a region's wards."""
Wards = Annotated[list[str], Query(alias="ward", max_length=MAX_WARDS)]
Hospitals = Annotated[list[str], Query(alias="hospital", max_length=MAX_WARDS)]
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    403: {"description": "not with these rights at all of these wards"},
    404: {"description": "the ward register has no such ward"},
    503: {
        "description": "too many streams are open: close some; or nothing is read yet: ask again"
    },
}


class WardShown(Frozen):
    """A ward, as whoever asks may see it."""

    ward: str = Field(description="its id: `/v1/wards/{ward}/inbound` is its list")
    name: str | None = Field(description="none in an open register")
    hospital: str | None
    care_type: CareType | None
    fields: Level = Field(description="how much of a patient whoever asks sees there")
    may_acknowledge: bool
    sequence: int = Field(description="of the ward's newest notice; 0: none yet")
    last_event_id: str = Field(description="its id on the ward's own stream")


class Directory(Frozen):
    """The wards, by hospital and id."""

    wards: tuple[WardShown, ...]
    last_event_id: str = Field(
        description="of the stream over several wards: read their lists, then stream from here, and nothing is missed"
    )


def add_directory(app: FastAPI, view: View, trail: Trail, seats: Seats) -> None:
    """Add the two routes."""
    _add_list(app, view)
    _add_stream(app, view, trail, seats)


def _add_list(app: FastAPI, view: View) -> None:
    @app.get("/v1/wards", responses={503: REFUSALS[503]})
    async def directory(asking: Asking) -> Directory:
        """Which wards you may read, and where to begin."""
        if reason := await view.why_lists_wait():
            raise HTTPException(503, reason, {"Retry-After": str(ASK_AGAIN_S)})
        place = StreamPosition.newest(view.hub.board)
        shown = [_shown(view, ward, asking) for ward in _readable(view, asking)]
        shown.sort(key=lambda each: (each.hospital or "", each.ward))
        return Directory(wards=tuple(shown), last_event_id=str(place))


def _add_stream(app: FastAPI, view: View, trail: Trail, seats: Seats) -> None:
    @app.get("/v1/stream", responses=REFUSALS)
    async def stream_several(
        asking: Asking,
        wards: Wards = [],  # noqa: B006 - as FastAPI has it, which copies it
        hospitals: Hospitals = [],  # noqa: B006 - likewise
        last_event_id: Annotated[str | None, Header(pattern=PATTERN)] = None,
        after: Annotated[str | None, Query(pattern=PATTERN)] = None,
    ) -> StreamingResponse:
        """Several wards' notices as server-sent events; without wards and hospitals of all that you may read."""
        chosen = _chosen(view, asking, wards, hospitals)
        start = after if last_event_id is None else last_event_id
        reader = seat_of(asking)
        if not seats.take(reader):
            raise HTTPException(503, "too many streams are open: close those not needed")

        def note(ward: str, notices: Sequence[StreamEvent]) -> None:
            trail.streamed(asking, ward, notices)

        place = None if start is None else StreamPosition.parsed(start)
        events = SeveralWards(view, chosen, place, note).events()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        allowed = while_allowed(events, asking.until, view.now)
        return SeatedResponse(seats, reader, allowed, headers)


def _chosen(
    view: View, asking: Reader, wards: Sequence[str], hospitals: Sequence[str]
) -> Sequence[str]:
    """Raises HTTPException where any of it is not for whoever asks."""
    readable = _readable(view, asking)
    if not (wards or hospitals):
        return readable
    for ward in wards:
        if not asking.may_at("read", ward, view.register.hospital_of(ward)):
            raise HTTPException(403, "not with the rights that were shown")
        if not ward or not (view.register.is_open or ward in view.register.wards):
            raise HTTPException(404, f"the ward register has no ward {ward!r}")
    of_hospitals = [w for w in readable if view.register.hospital_of(w) in hospitals]
    found = {view.register.hospital_of(ward) for ward in of_hospitals}
    if not found.issuperset(hospitals):
        raise HTTPException(403, "not with the rights that were shown")
    return tuple(dict.fromkeys([*wards, *of_hospitals]))


def _readable(view: View, asking: Reader) -> Sequence[str]:
    register = view.register
    known = {*register.wards, *(view.hub.board.wards() if register.is_open else ())}
    return [w for w in sorted(known) if asking.may_at("read", w, register.hospital_of(w))]


def _shown(view: View, ward: str, asking: Reader) -> WardShown:
    known, hospital = view.register.wards.get(ward), view.register.hospital_of(ward)
    newest = view.hub.board.last_id(ward)
    return WardShown(
        ward=ward, name=known.name if known else None, hospital=hospital,
        care_type=known.care_type if known else None, fields=asking.level_at(ward, hospital),
        may_acknowledge=asking.may_at("acknowledge", ward, hospital), sequence=newest.sequence,
        last_event_id=str(newest),
    )  # fmt: skip
