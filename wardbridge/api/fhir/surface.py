"""The FHIR routes: Subscription, its status and events, and the Encounters that notifications refer to.

Source: http://hl7.org/fhir/R4/http.html; Subscriptions R5 Backport 1.1.0, "Operations".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final, TypeVar

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bus.port import LogError
from router.delivery.bundles import identified, status_of
from router.delivery.resources import Json
from schemas.audit import Action
from wardbridge.api.fhir import capability
from wardbridge.api.fhir.answer import (
    BASE,
    OperationRefusedError,
    ResourceResponse,
    refused,
    resource_in,
)
from wardbridge.api.fhir.encounter import ShownEncounter, encounter_for, ward_of
from wardbridge.api.fhir.events import Asked, EventsBundle, asked_in, events_bundle, searchset
from wardbridge.api.fhir.subscription import ELEMENTS, resource_of, wanted_by
from wardbridge.api.fhir.subscription_store import SubscriptionEntry, SubscriptionStore
from wardbridge.api.problems import badly_asked
from wardbridge.api.problems import refused as problem
from wardbridge.api.view import View
from wardbridge.config.authorisation import Reader
from wardbridge.security.audit import ShownRow, Trail
from wardbridge.security.authenticator import Asking
from wardbridge.subscriptions.registrar import NotRegisteredError, Registrar, new_name

LOOKS, LOOK_S = 20, 0.05  # for an Encounter that is not there: one second, whyever it is not
ASK_AGAIN: Final = {"Retry-After": "1"}
LogicalId = Annotated[str, Path(pattern=r"^[A-Za-z0-9\-\.]{1,64}$")]
_SEARCHED: Final = frozenset({"_id", "status", "url"})
_PASSED_OVER: Final = frozenset({"_format", "_count", "_pretty"})
_TOLD: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "an OperationOutcome: refused, and why"},
    503: {"description": "an OperationOutcome: ask again"},
}
T = TypeVar("T")


class SubscriptionSurface:
    """The FHIR face of one service."""

    def __init__(self, view: View, trail: Trail, registrar: Registrar, base: str) -> None:
        self._view = view
        self._trail = trail
        self._registrar = registrar
        self._base = base
        self._book = SubscriptionStore(view.log, registrar, base, view.now)
        self._walk = asyncio.Semaphore(1)  # through a queue of months: one at a time

    def add_to(self, app: FastAPI) -> None:
        """Add the routes, and how refusals look below them."""
        app.add_exception_handler(HTTPException, _refused)
        app.add_exception_handler(RequestValidationError, _badly_asked)
        self._add_about(app)
        self._add_operations(app)
        self._add_subscriptions(app)
        self._add_encounters(app)

    # -- the routes

    def _add_about(self, app: FastAPI) -> None:
        @app.get(f"{BASE}/metadata", response_class=ResourceResponse)
        async def metadata() -> ResourceResponse:
            """What may be asked here: a CapabilityStatement."""
            now, release = self._view.now(), version("wardbridge")
            return ResourceResponse(capability.capability_statement(self._base, now, release))

        @app.get(f"{BASE}/Basic/{{topic}}", response_class=ResourceResponse, responses=_TOLD)
        async def topic(topic: LogicalId) -> ResourceResponse:
            """The SubscriptionTopic, as R4 can have it."""
            if topic != capability.TOPIC_ID:
                raise OperationRefusedError(404, f"there is only {capability.TOPIC_ID}")
            return ResourceResponse(capability.topic())

    def _add_operations(self, app: FastAPI) -> None:
        @app.get(f"{BASE}/Subscription/$status", response_class=ResourceResponse, responses=_TOLD)
        @app.post(f"{BASE}/Subscription/$status", response_class=ResourceResponse, responses=_TOLD)
        async def statuses(request: Request, asking: Asking) -> ResourceResponse:
            """How your subscriptions are; ``id`` and ``status`` choose some."""
            asked = await asked_in(request, frozenset({"id", "status"}) | _PASSED_OVER)
            return ResourceResponse(await self._read(lambda: self._statuses(asking, asked)))

        @app.get(
            f"{BASE}/Subscription/{{name}}/$status",
            response_class=ResourceResponse,
            responses=_TOLD,
        )
        @app.post(
            f"{BASE}/Subscription/{{name}}/$status",
            response_class=ResourceResponse,
            responses=_TOLD,
        )
        async def status(name: LogicalId, asking: Asking) -> ResourceResponse:
            """How the subscription is."""
            return ResourceResponse(await self._read(lambda: self._statuses(asking, {}, name)))

        @app.get(
            f"{BASE}/Subscription/{{name}}/$events",
            response_class=ResourceResponse,
            responses=_TOLD,
        )
        @app.post(
            f"{BASE}/Subscription/{{name}}/$events",
            response_class=ResourceResponse,
            responses=_TOLD,
        )
        async def events(request: Request, name: LogicalId, asking: Asking) -> ResourceResponse:
            """What has happened, by number: ``eventsSinceNumber``, ``eventsUntilNumber``, ``content``."""
            known = frozenset({"eventsSinceNumber", "eventsUntilNumber", "content"})
            asked = await asked_in(request, known | _PASSED_OVER)
            async with self._walk:
                if await request.is_disconnected():  # while it waited for its turn
                    raise ClientDisconnect
                found, rows = await self._read(lambda: self._events(asking, name, asked))
            for ward, told in rows.items():
                await self._note(
                    asking, ward, [ShownRow(each.visit, each.version) for each in told]
                )
            return ResourceResponse(found, headers={"Cache-Control": "no-store"})

    def _add_subscriptions(self, app: FastAPI) -> None:
        @app.get(f"{BASE}/Subscription", response_class=ResourceResponse, responses=_TOLD)
        async def search(request: Request, asking: Asking) -> ResourceResponse:
            """Your subscriptions; ``_id``, ``status`` and ``url`` choose some."""
            asked = await asked_in(request, _SEARCHED | _PASSED_OVER)
            return ResourceResponse(await self._read(lambda: self._found(asking, asked)))

        @app.post(
            f"{BASE}/Subscription",
            status_code=201,
            response_class=ResourceResponse,
            responses=_TOLD,
        )
        async def create(request: Request, asking: Asking) -> ResourceResponse:
            """Subscribe: you are told of everything that is decided after the answer."""
            wanted = wanted_by(await resource_in(request, "Subscription"))
            name = new_name()
            await self._did(asking, Action.SUBSCRIBED, name)
            await self._done(lambda: self._registrar.subscribe(asking, name, wanted))
            return await self._shown(asking, name, 201)

        @app.get(f"{BASE}/Subscription/{{name}}", response_class=ResourceResponse, responses=_TOLD)
        async def read(name: LogicalId, asking: Asking) -> ResourceResponse:
            """The subscription; of headers only the names."""
            return await self._shown(asking, name, 200)

        @app.put(f"{BASE}/Subscription/{{name}}", response_class=ResourceResponse, responses=_TOLD)
        async def update(request: Request, name: LogicalId, asking: Asking) -> ResourceResponse:
            """Have it otherwise, or tried again: the endpoint is greeted anew."""
            resource = await resource_in(request, "Subscription")
            entry = await self._read(lambda: self._own(asking, name))
            _refuse_other(request, resource, entry)
            wanted = wanted_by(resource, entry.settings)
            await self._did(asking, Action.SUBSCRIBED, name)
            await self._done(lambda: self._registrar.change(asking, name, wanted))
            return await self._shown(asking, name, 200)

        @app.delete(f"{BASE}/Subscription/{{name}}", status_code=204, responses=_TOLD)
        async def delete(name: LogicalId, asking: Asking) -> Response:
            """Be told nothing more."""
            entry = await self._read(lambda: self._own(asking, name))
            _refuse_configured(entry)
            await self._did(asking, Action.UNSUBSCRIBED, name)
            await self._read(lambda: self._registrar.remove(asking, name))
            return Response(status_code=204)

    def _add_encounters(self, app: FastAPI) -> None:
        @app.get(
            f"{BASE}/Encounter/{{encounter}}", response_class=ResourceResponse, responses=_TOLD
        )
        async def encounter(
            request: Request, encounter: LogicalId, asking: Asking
        ) -> ResourceResponse:
            """What a ward is told of a visit, for those who may read the ward."""
            if reason := await self._view.why_lists_wait():
                raise HTTPException(503, reason, ASK_AGAIN)
            shown = await self._encounter(asking, encounter)
            if shown is None:
                self._note_refused(request, encounter)
                raise OperationRefusedError(404, "there is no such Encounter, or it is not for you")
            row = ShownRow(shown.row.visit, shown.row.version, shown.identity)
            await self._note(asking, shown.row.ward, [row])
            return ResourceResponse(shown.resource, headers={"Cache-Control": "no-store"})

    def _note_refused(self, request: Request, number: str) -> None:
        """It is told alike, but noted otherwise, where it is only that who asks may not read the ward."""
        board, asking = self._view.hub.board, request.state.reader
        ward = ward_of(board, number)
        if ward and not asking.may_at("read", ward, self._view.register.hospital_of(ward)):
            request.state.note_refused(404, ward)

    async def _encounter(self, asking: Reader, number: str) -> ShownEncounter | None:
        """A notification may have come through another process, quicker than what our board is told."""
        board, looked_at = self._view.hub.board, -1
        for _ in range(LOOKS):
            if board.changes != looked_at:
                looked_at = board.changes
                if shown := encounter_for(asking, self._view, number):
                    return shown
            await asyncio.sleep(LOOK_S)
        return None

    # -- what they need of the log

    def _own(self, asking: Reader, name: str) -> SubscriptionEntry:
        entry = self._book.entries(asking).get(name)
        if entry is None:
            raise OperationRefusedError(404, "there is no such subscription, or it is not yours")
        return entry

    def _statuses(self, asking: Reader, asked: Asked, only: str | None = None) -> Json:
        entries = {only: self._own(asking, only)} if only else self._book.entries(asking)
        found = []
        for name, entry in entries.items():
            standing = self._book.standing(entry)
            is_meant = name in asked.get("id", [name])
            if is_meant and standing.state in asked.get("status", [standing.state]):
                speaker = self._book.speaker(entry)
                found.append(identified(speaker, status_of(speaker, "query-status", standing)))
        return searchset(found)

    def _found(self, asking: Reader, asked: Asked) -> Json:
        found = []
        for name, entry in self._book.entries(asking).items():
            resource = resource_of(entry.registration, entry.settings, self._book.standing(entry))
            says = {"_id": name, "status": resource["status"], "url": entry.url}
            if all(says[each] in values for each, values in asked.items() if each in _SEARCHED):
                found.append((f"{self._base}/Subscription/{name}", resource))
        return searchset(found)

    def _events(self, asking: Reader, name: str, asked: Asked) -> EventsBundle:
        entry = self._own(asking, name)
        return events_bundle(self._book, entry, asking, asked, self._view.now())

    async def _shown(self, asking: Reader, name: str, status: int) -> ResourceResponse:
        def read() -> tuple[SubscriptionEntry, Json]:
            entry = self._own(asking, name)
            standing = self._book.standing(entry)
            return entry, resource_of(entry.registration, entry.settings, standing)

        entry, resource = await self._read(read)
        headers = {"ETag": f'W/"{entry.registration.revision}"'}
        if status == 201:  # noqa: PLR2004 - Created
            headers["Location"] = f"{self._base}/Subscription/{name}"
        return ResourceResponse(resource, status, headers)

    async def _read(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(ask)
        except LogError as error:
            raise HTTPException(503, f"the log: {type(error).__name__}", ASK_AGAIN) from None

    async def _done(self, do: Callable[[], T]) -> T:
        try:
            return await self._read(do)
        except NotRegisteredError as error:
            where = ELEMENTS.get(error.what) if error.status != 403 else None  # noqa: PLR2004
            raise OperationRefusedError(error.status, str(error), where) from None

    async def _did(self, asking: Reader, action: Action, name: str) -> None:
        try:
            await self._trail.did(asking, action, name)
        except LogError as error:
            raise HTTPException(503, f"the log: {type(error).__name__}", ASK_AGAIN) from None

    async def _note(self, asking: Reader, ward: str, rows: Sequence[ShownRow]) -> None:
        fields = asking.level_at(ward, self._view.register.hospital_of(ward))
        try:
            await self._trail.listed(asking, ward, fields, rows, Action.READ)
        except LogError:
            detail = "who reads this cannot be noted now, so it is not shown"
            raise HTTPException(503, detail, ASK_AGAIN) from None


def _refuse_other(request: Request, resource: Json, entry: SubscriptionEntry) -> None:
    """What is sent must be of this one, and of the version that its sender knows."""
    _refuse_configured(entry)
    if resource.get("id") != entry.registration.name:
        raise OperationRefusedError(400, "the id is not that of the address", "Subscription.id")
    known = request.headers.get("if-match")
    if known is not None and known != f'W/"{entry.registration.revision}"':
        raise OperationRefusedError(412, "it has been changed since: read it again")


def _refuse_configured(entry: SubscriptionEntry) -> None:
    if entry.is_configured:
        raise OperationRefusedError(409, "it stands in the configuration: change it there")


async def _refused(request: Request, error: Exception) -> Response:
    """A refusal as FHIR has it below our base, as it was anywhere else."""
    if not isinstance(error, HTTPException):
        raise error
    if request.url.path.startswith(f"{BASE}/"):
        return refused(error)
    return await problem(request, error)


async def _badly_asked(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(f"{BASE}/"):
        return refused(OperationRefusedError(404, "no logical id has such a form"))
    return await badly_asked(request, error)
