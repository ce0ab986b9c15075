"""Routes to register, change and remove subscribers at run time (right ``operate``).

A request has the table of one channel, as the configuration has it. A secret is given once, in the answer that
makes it, and never read back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Path, Request, Response
from pydantic import Field, ValidationError

from adapters.common.limits import BODY_BYTES
from bus.port import Log, LogError
from router.delivery.history import state_of
from schemas.audit import Action
from schemas.base import Frozen, Utc
from schemas.delivery import Tried
from schemas.fields import Level
from schemas.notification import Kind
from schemas.registration import Registration
from wardbridge.api.problems import unquoted
from wardbridge.config.subscribers import SubscriberAsked
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Asking
from wardbridge.subscriptions.registrar import NotRegisteredError, Registrar, WantedRegistration

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
_REFERENCE: Final = "#/components/schemas/{model}"
T = TypeVar("T")


def body_schemas() -> dict[str, Any]:
    """The body of ``PUT``, and what it refers to, by name: for the surface's description."""
    schema = SubscriberAsked.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs"), SubscriberAsked.__name__: schema}


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": _REFERENCE.format(model=SubscriberAsked.__name__)}
            }
        },
    }
}
"""Said here, for the framework would quote a body where it is wrong."""


class Registered(Frozen):
    """A subscriber, without its address and its secrets, and how it is."""

    name: str
    channel: str
    owner: str = Field(description="of a FHIR subscription; empty for those registered by name")
    token: str = Field(description="of its own, which may read what it was sent")
    revision: int
    at: Utc
    wards: tuple[str, ...]
    hospitals: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fields: Level = Field(description="of a FHIR subscription its owner's rights decide")
    settings: dict[str, Any] = Field(description="of the channel, without address and secrets")
    reason: str
    off: bool
    end: Utc | None
    tried: Tried | None = Field(description="what came of the test notice, or of the handshake")
    paused: str | None = Field(description="why nothing is sent")
    secret: str | None = Field(None, description="told once, where it was made here")


class AllRegistered(Frozen):
    """Every subscriber that stands in no configuration file."""

    subscribers: tuple[Registered, ...]


def add_registering(app: FastAPI, registrar: Registrar, trail: Trail, log: Log) -> None:
    """Add the routes. Who asked is noted before it is answered."""
    _describe_body(app)

    def shown(of: Registration, secret: str | None = None) -> Registered:
        asked = registrar.registrations.asked(of)
        state = state_of(log, of.name)
        return Registered(
            name=of.name, channel=of.channel, owner=of.owner.name if of.owner else "",
            token=of.token, revision=of.revision, at=of.at, wards=of.wards,
            hospitals=of.hospitals, kinds=of.kinds, fields=of.fields,
            settings=asked.shown() if asked else {}, reason=of.reason, off=of.off, end=of.end,
            tried=state.tried, paused=state.paused, secret=secret,
        )  # fmt: skip

    @app.get("/v1/subscribers", responses={503: _REFUSALS[503]})
    async def listed(asking: Asking) -> AllRegistered:
        """Who was registered over HTTP, FHIR subscriptions included."""
        found = await _in_log(lambda: [shown(each) for each in registrar.own(asking).values()])
        return AllRegistered(subscribers=tuple(found))

    @app.get("/v1/subscribers/{name}", responses=_REFUSALS)
    async def one(name: Name, asking: Asking) -> Registered:
        """One of them, and what came of its test notice."""

        def read() -> Registered:
            found = registrar.own(asking).get(name)
            if found is None:
                raise NotRegisteredError(404, f"no subscriber {name!r} was registered here")
            return shown(found)

        return await _in_log(read)

    @app.put("/v1/subscribers/{name}", responses=_REFUSALS | _UNREAD, openapi_extra=_BODY)
    async def put(
        name: Name,
        asking: Asking,
        wanted: Annotated[SubscriberAsked, Depends(_wanted)],
        response: Response,
    ) -> Registered:
        """Register a subscriber, or change one; 201 if it is new. It is sent a test notice at once."""

        def kept() -> tuple[Registered, bool]:
            done, is_new, secret = registrar.enlist(asking, name, WantedRegistration.of(wanted))
            return shown(done, secret if is_new else None), is_new

        await _noted(trail.did(asking, Action.SUBSCRIBED, name))
        registered, is_new = await _in_log(kept)
        response.status_code = 201 if is_new else 200
        response.headers["Cache-Control"] = "no-store"
        return registered

    @app.delete("/v1/subscribers/{name}", status_code=204, responses=_REFUSALS)
    async def delete(name: Name, asking: Asking) -> Response:
        """Tell it nothing more, whatever it is; its name is not given to another."""
        await _noted(trail.did(asking, Action.UNSUBSCRIBED, name))
        if not await _in_log(lambda: registrar.remove(asking, name)):
            raise HTTPException(404, f"no subscriber {name!r} was registered here")
        return Response(status_code=204)


def _describe_body(app: FastAPI) -> None:
    described = app.openapi

    def with_body() -> dict[str, Any]:
        found = described()
        found["components"]["schemas"] |= body_schemas()
        return found

    app.openapi = with_body  # type: ignore[method-assign] # as FastAPI's documentation has it


async def _wanted(request: Request) -> SubscriberAsked:
    body = await request.body()
    try:
        return SubscriberAsked.model_validate_json(body)
    except ValidationError as error:  # what is sent may be a secret
        wrong = unquoted(error.errors(include_context=False))
        raise HTTPException(
            422, [{**each, "loc": ["body", *each["loc"]]} for each in wrong]
        ) from None


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
