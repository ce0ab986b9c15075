"""Subscribers by name, for those who operate: webhooks and HL7 v2 that stand in no configuration file.

A secret is given once, in the answer that makes it, and never read back.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Self, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Path, Request, Response
from pydantic import ConfigDict, Field, ValidationError, model_validator

from adapters.common.limits import BODY_BYTES
from bus.port import LogError
from router.delivery.signature import PREFIX
from schemas.audit import Action
from schemas.base import Frozen, Utc
from schemas.fields import Level
from schemas.notification import Kind
from schemas.registration import Registration
from wardbridge.config.subscribers import Hl7Receiver
from wardbridge.http.access.gate import Asking
from wardbridge.http.audit import Trail
from wardbridge.http.body import unquoted
from wardbridge.http.registrar import NotRegisteredError, Registrar, Wanted
from wardbridge.sealing import SealError, Secrets

NEW_SECRET_BYTES: Final = 32
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "no subscriber of this name was registered here"},
    409: {"description": "the name is another's, `detail` says whose"},
    503: {"description": "the log cannot be asked"},
}
_UNREAD: Final[dict[int | str, dict[str, Any]]] = {
    413: {"description": f"the body has more than {BODY_BYTES} bytes"},
    422: {"description": "what is wrong, and where; nothing of what was sent is quoted"},
}
T = TypeVar("T")


def _described(model: type[Frozen]) -> dict[str, Any]:
    """A model's schema, which names others as the surface's description has them."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"]["mllp"] = schema.pop("$defs")[Hl7Receiver.__name__]  # nobody else has it
    return schema


class SubscriberWanted(Frozen):
    """A subscriber as it is to be: a webhook by its ``url``, or a receiver of HL7 v2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(
        None, max_length=2_000, description="of a webhook; https, unless it is this machine"
    )
    mllp: Hl7Receiver | None = Field(None, description="of a receiver of HL7 v2, instead")
    secrets: tuple[Annotated[str, Field(max_length=200)], ...] = Field(
        (),
        max_length=5,
        description="of a webhook, each `whsec_…`; none: those it has, or a new one that is told",
    )
    wards: tuple[str, ...] = Field((), max_length=1_000, description="ward ids")
    hospitals: tuple[str, ...] = Field((), max_length=100, description="neither: every ward")
    kinds: tuple[Kind, ...] = Field((), description="none: all")
    fields: Level = Field(
        "minimal", description="how much it is told of a patient; no more than you may read"
    )
    timeout_s: float = Field(10.0, gt=0, le=120, description="of one attempt")
    give_up_after_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="a notice not taken for so long is parked; none: 3 days",
    )
    refused_after_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="or one refused for what it is; none: 10 minutes",
    )
    reason: str = Field("", max_length=500, description="for people")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.mllp is None):
            raise ValueError("give either url or mllp")
        if self.mllp is not None and self.secrets:
            raise ValueError("secrets sign webhooks; HL7 v2 has none")
        return self


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _described(SubscriberWanted)}},
    }
}
"""Said here, for the framework would read a body of any size, and quote it where it is wrong."""


class Registered(Frozen):
    """A subscriber, without its address and its secrets."""

    name: str
    way: str
    owner: str = Field(description="of a FHIR subscription; empty for those registered by name")
    revision: int
    at: Utc
    wards: tuple[str, ...]
    hospitals: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fields: Level = Field(description="of a FHIR subscription its owner's rights decide")
    timeout_s: float
    give_up_after_s: float | None
    refused_after_s: float | None
    reason: str
    off: bool
    end: Utc | None
    secret: str | None = Field(None, description="told once, where it was made here")


class AllRegistered(Frozen):
    """Every subscriber that stands in no configuration file."""

    subscribers: tuple[Registered, ...]


def add_registering(app: FastAPI, registrar: Registrar, trail: Trail) -> None:
    """Add the routes. Who asked is noted before it is answered."""

    @app.get("/v1/subscribers", responses={503: _REFUSALS[503]})
    async def listed(asking: Asking) -> AllRegistered:
        """Who was registered over HTTP, FHIR subscriptions included."""
        found = await _in_log(lambda: registrar.own(asking))
        return AllRegistered(subscribers=tuple(map(_shown, found.values())))

    @app.get("/v1/subscribers/{name}", responses=_REFUSALS)
    async def one(name: Name, asking: Asking) -> Registered:
        """One of them."""
        found = (await _in_log(lambda: registrar.own(asking))).get(name)
        if found is None:
            raise HTTPException(404, f"no subscriber {name!r} was registered here")
        return _shown(found)

    @app.put("/v1/subscribers/{name}", responses=_REFUSALS | _UNREAD, openapi_extra=_BODY)
    async def put(
        name: Name,
        asking: Asking,
        wanted: Annotated[SubscriberWanted, Depends(_wanted)],
        response: Response,
    ) -> Registered:
        """Register a webhook or a receiver of HL7 v2, or change one; 201 if it is new."""
        made = PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()

        def wanted_after(before: Registration | None) -> Wanted:
            if wanted.mllp is not None:
                return _as_wanted(wanted, ())
            return _as_wanted(wanted, wanted.secrets or _keys_of(registrar, before) or (made,))

        await _noted(trail.did(asking, Action.SUBSCRIBED, name))
        done, is_new = await _in_log(lambda: registrar.enlist(asking, name, wanted_after))
        response.status_code = 201 if is_new else 200
        response.headers["Cache-Control"] = "no-store"
        is_told = is_new and wanted.url is not None and not wanted.secrets
        return _shown(done, made if is_told else None)

    @app.delete("/v1/subscribers/{name}", status_code=204, responses=_REFUSALS)
    async def delete(name: Name, asking: Asking) -> Response:
        """Tell it nothing more, whatever it is; its name is not given to another."""
        await _noted(trail.did(asking, Action.UNSUBSCRIBED, name))
        if not await _in_log(lambda: registrar.remove(asking, name)):
            raise HTTPException(404, f"no subscriber {name!r} was registered here")
        return Response(status_code=204)


async def _wanted(request: Request) -> SubscriberWanted:
    body = await request.body()
    try:
        return SubscriberWanted.model_validate_json(body)
    except ValidationError as error:  # what is sent may be a secret
        wrong = unquoted(error.errors(include_context=False))
        raise HTTPException(
            422, [{**each, "loc": ["body", *each["loc"]]} for each in wrong]
        ) from None


def _keys_of(registrar: Registrar, of: Registration | None) -> tuple[str, ...]:
    """The keys that sign by now; none of one that is new. Raises NotRegisteredError."""
    if of is None:
        return ()
    try:
        return registrar.registrations.seal.opened(of.name, of.sealed).keys
    except SealError:
        raise NotRegisteredError(409, "its secrets cannot be opened: give others") from None


def _as_wanted(wanted: SubscriberWanted, keys: tuple[str, ...]) -> Wanted:
    receiver = wanted.mllp.model_dump() if wanted.mllp else {}
    return Wanted(
        way="mllp" if wanted.mllp else "webhook",
        secrets=Secrets(url=wanted.url or "", keys=keys, receiver=receiver),
        wards=wanted.wards,
        hospitals=wanted.hospitals,
        kinds=wanted.kinds,
        fields=wanted.fields,
        timeout_s=wanted.timeout_s,
        give_up_after_s=wanted.give_up_after_s,
        refused_after_s=wanted.refused_after_s,
        reason=wanted.reason,
    )


def _shown(of: Registration, secret: str | None = None) -> Registered:
    return Registered(
        name=of.name, way=of.way, owner=of.owner.name if of.owner else "", revision=of.revision,
        at=of.at, wards=of.wards, hospitals=of.hospitals, kinds=of.kinds, fields=of.fields, timeout_s=of.timeout_s, give_up_after_s=of.give_up_after_s, refused_after_s=of.refused_after_s,
        reason=of.reason, off=of.off, end=of.end, secret=secret,
    )  # fmt: skip


async def _in_log(do: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(do)
    except NotRegisteredError as error:
        raise HTTPException(error.status, str(error)) from None
    except LogError as error:
        raise HTTPException(503, f"the log: {type(error).__name__}") from None


async def _noted(noting: Awaitable[None]) -> None:
    try:
        await noting
    except LogError as error:
        raise HTTPException(503, f"the log: {type(error).__name__}") from None
