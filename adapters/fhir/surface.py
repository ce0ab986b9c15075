"""The routes of a FHIR feed: who may send what, and how each is answered.

Base ``/fhir``. ``POST`` and ``PUT`` of an Encounter, transaction and batch Bundles at the base,
``$process-message``, ``notifications`` for the channels of subscriptions, ``metadata`` for whoever
asks. Every refusal is an OperationOutcome. A route asks who sends, whether they may and how often before it
reads (:data:`DEEDS`). Bodies are taken in pieces and never kept beyond the limit: what is larger is refused
while it still comes; one that has begun counts as waiting.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any, Final, Protocol, TypedDict

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from adapters.common.asking import DESCRIPTION, NO_BODY, add_description, route_that_asks
from adapters.common.outcome import InputOutcome, Trouble, to_review
from adapters.fhir import answer
from adapters.fhir.client import RemoteError
from adapters.fhir.document import read
from adapters.fhir.element import resource
from adapters.fhir.gate import Rate, Senders, refuse_conditions, refuse_packed, refuse_unread_type
from adapters.fhir.intake import Check, Grow, Intake, NotTakenError, Taken
from adapters.fhir.large_bodies import aside
from adapters.fhir.limits import MAX_FETCHED
from adapters.fhir.listener import Deed, FhirListener
from adapters.fhir.names import ID_PATTERN, EditionName, Object
from adapters.fhir.notification import named_in
from adapters.fhir.references import Resources
from adapters.fhir.refusal import ResourceRefusedError, answer_to
from adapters.fhir.request_checks import (
    is_bundle,
    is_encounter,
    is_encounter_of,
    is_encounter_with,
    is_matching,
)
from adapters.fhir.response import (
    FhirResponse,
    of_bundle,
    of_encounter,
    told,
    wanted,
)

BASE: Final = "/fhir"
_READS: Final = frozenset({"GET", "HEAD"})
_ADDRESS: Final = re.compile(rf"{BASE}/[A-Z][A-Za-z]+/[A-Za-z0-9.-]{{1,64}}(/_history(/[^/]+)?)?")
_SENT_AGAIN: Final = frozenset({429, 503})

DEEDS: Final[Mapping[str, Deed | None]] = {
    f"GET {DESCRIPTION}": None,
    f"GET {BASE}/metadata": None,
    f"POST {BASE}": "bundle",
    f"POST {BASE}/": "bundle",
    f"POST {BASE}/Encounter": "encounter",
    f"PUT {BASE}/Encounter": "encounter",
    f"PUT {BASE}/Encounter/{{number}}": "encounter",
    f"POST {BASE}/$process-message": "message",
    f"POST {BASE}/notifications": "notification",
}
"""What each route asks for; None: nothing, it is the same for everybody. A route that is not here is refused."""

LogicalId = Annotated[str, Path(pattern=ID_PATTERN, description="the Encounter's logical id")]


class _Told(TypedDict):
    """What every route that takes something has in common, for the OpenAPI document."""

    response_class: type[FhirResponse]
    responses: dict[int | str, dict[str, Any]]


_TOLD: Final = _Told(
    response_class=FhirResponse,
    responses={
        "4XX": {"description": "an OperationOutcome: refused, and why"},
        "5XX": {"description": "an OperationOutcome: not stored, send it again"},
    },
)


class Fetch(Protocol):
    """Reads from the server that notifies."""

    async def read(self, reference: str) -> bytes | None:
        """One resource as its bytes; None where there is none. Raises RemoteError."""
        ...

    async def beside(self, document: Object) -> Resources:
        """What an input refers to. Raises RemoteError."""
        ...


class FhirEndpoint:
    """One feed's endpoint. ``now`` tells the time of day, ``clock`` seconds that never go back.

    ``fetch`` reads what notifications name from the server that sends them.
    """

    def __init__(
        self,
        intake: Intake,
        listener: FhirListener,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        fetch: Fetch | None = None,
    ) -> None:
        self._fetch = fetch
        self._intake = intake
        self._edition = intake.profile.edition
        self._listener = listener
        self._now = now
        self._senders = Senders(listener.tokens)
        self._rate = Rate(listener.max_requests_per_s, clock)

    def app(self) -> FastAPI:
        """The application."""
        app = FastAPI(
            title="wardbridge FHIR", docs_url=None, redoc_url=None, openapi_url=None,
            redirect_slashes=False,
        )  # fmt: skip
        app.router.route_class = route_that_asks(self._let_in)
        app.add_exception_handler(NotTakenError, self._not_taken)
        app.add_exception_handler(HTTPException, self._no_route)
        app.add_exception_handler(RequestValidationError, self._bad_address)
        add_description(app)
        self._add_metadata(app)
        self._add_encounters(app)
        self._add_bundles(app)
        return app

    # the routes

    def _add_metadata(self, app: FastAPI) -> None:
        @app.get(f"{BASE}/metadata", response_class=FhirResponse)
        async def metadata() -> FhirResponse:
            """What this endpoint takes."""
            edition, release = self._edition, version("wardbridge")
            return FhirResponse(answer.capability_statement(edition, self._now(), release))

    def _add_encounters(self, app: FastAPI) -> None:
        one = answer.openapi_body("the Encounter as it is now", "Encounter")

        @app.post(f"{BASE}/Encounter", status_code=201, openapi_extra=one, **_TOLD)
        async def create(request: Request) -> Response:
            """State an Encounter."""
            created_at = f"{str(request.base_url).rstrip('/')}{BASE}/Encounter"
            return await self._encounter(request, is_encounter, created_at)

        @app.put(f"{BASE}/Encounter/{{number}}", openapi_extra=one, **_TOLD)
        async def update(request: Request, number: LogicalId) -> Response:
            """State an Encounter by its id."""
            return await self._encounter(request, is_encounter_of(number))

        @app.put(f"{BASE}/Encounter", openapi_extra=one, **_TOLD)
        async def conditional_update(request: Request) -> Response:
            """State the Encounter that has the identifier of the query."""
            asked = request.query_params.multi_items()
            return await self._encounter(request, is_encounter_with(asked))

    def _add_bundles(self, app: FastAPI) -> None:
        both = answer.openapi_body("a transaction or batch", "Bundle")

        @app.post(f"{BASE}/", include_in_schema=False)
        @app.post(BASE, openapi_extra=both, **_TOLD)
        async def transaction(request: Request) -> Response:
            """State what a transaction or batch Bundle holds; a transaction is taken whole."""
            taken, payload = await self._take(request, is_bundle("transaction", "batch"))
            want = wanted(request.headers.getlist("prefer"))
            return await aside(payload, lambda: of_bundle(taken, want))

        message = answer.openapi_body("a message Bundle", "Bundle")

        @app.post(f"{BASE}/$process-message", openapi_extra=message, **_TOLD)
        async def process_message(request: Request) -> Response:
            """Take a message, whole or not at all."""
            taken, _ = await self._take(request, is_bundle("message"))
            return told(taken)

        notice = answer.openapi_body("a notification Bundle", "Bundle")

        @app.post(f"{BASE}/notifications", openapi_extra=notice, **_TOLD)
        async def notifications(request: Request) -> Response:
            """Take what a subscription's channel sends: handshake, heartbeat, events."""
            check = is_bundle("history", "subscription-notification")
            already = self._refused_by_headers(request)
            if already is not None or self._fetch is None:
                return told((await self._take(request, check))[0])
            with self._intake.admitted() as grow:
                payload = await self._body(request, grow)
                return told(await self._with_named(payload, check, self._fetch))

    # the door

    async def _with_named(self, payload: bytes, check: Check, fetch: Fetch) -> Taken:
        """Take in what a notification names and does not give, then the notification."""
        named: list[tuple[str, Object]] = []

        async def beside(document: Object) -> Resources:
            found = await fetch.beside(document)
            for name, each in named:
                found.add(name, resource(each))
            return found

        try:
            names = await aside(payload, lambda: _names_in(payload, self._edition))
            for name in names[:MAX_FETCHED]:
                if (each := await fetch.read(name)) is not None:
                    taken = await self._intake.take(each, is_encounter, beside=fetch.beside)
                    named += [(name, taken.document)] if taken.document else []
            return await self._intake.take(payload, check, beside=beside)
        except RemoteError:
            detail = "what it names could not be fetched: send it again"
            raise self._at_the_door("not-fetched", detail) from None

    async def _encounter(
        self, request: Request, check: Check, created_at: str | None = None
    ) -> Response:
        """Take an Encounter; ``created_at`` as in :func:`of_encounter`."""
        condition = ",".join(request.headers.getlist("if-match"))
        taken, payload = await self._take(request, is_matching(condition, check))
        want = wanted(request.headers.getlist("prefer"))
        return of_encounter(taken, payload, request.headers, want, created_at)

    async def _take(self, request: Request, check: Check) -> tuple[Taken, bytes]:
        """Read and store what was let in; and the body itself."""
        with self._intake.admitted() as grow:
            payload = await self._body(request, grow)
            already = self._refused_by_headers(request)
            return await self._intake.take(payload, check, already), payload

    async def _let_in(self, request: Request) -> int:
        """How many bytes its sender may send; nothing is read before. Raises NotTakenError."""
        route = f"{request.method} {request.scope['route'].path}"
        deed = DEEDS.get(route)
        if deed is None and route in DEEDS:
            return NO_BODY
        self._intake.figures.requests += 1
        shown = request.headers.getlist("authorization")
        if reason := self._senders.refusal(shown, deed):
            raise self._at_the_door(reason, "show a token of this feed that may send this")
        if not self._rate.takes():
            raise self._at_the_door("too-often", "more requests a second than this feed takes")
        return self._listener.max_body_bytes

    def _at_the_door(self, reason: str, detail: str) -> NotTakenError:
        self._intake.figures.refused_at_the_door += 1
        return NotTakenError(Trouble(reason, detail))

    def _refused_by_headers(self, request: Request) -> InputOutcome | None:
        try:
            refuse_unread_type(request.headers.get("content-type", ""), self._edition)
            refuse_packed(request.headers.get("content-encoding", ""))
            refuse_conditions(request.headers)
        except ResourceRefusedError as refused:
            trouble = replace(refused.trouble, mark_unread=True, repeatable=False)
            return to_review(trouble)
        return None

    async def _body(self, request: Request, grow: Grow) -> bytes:
        """The body. Raises NotTakenError as soon as it is known to be too much."""
        body = bytearray()
        try:
            async for piece in request.stream():
                grow(len(piece))
                body += piece
        except ClientDisconnect:
            raise self._at_the_door("body-cut-off", "the body ended before its end") from None
        return bytes(body)

    # what is not taken

    async def _not_taken(self, _request: Request, error: Exception) -> Response:
        trouble = error.trouble if isinstance(error, NotTakenError) else Trouble("not-stored", "")
        status, headers = answer_to(trouble.reason).status, {}
        if status in _SENT_AGAIN:
            headers["Retry-After"] = str(self._rate.retry_after_s)
        if status == answer_to("token-missing").status:
            headers["WWW-Authenticate"] = "Bearer"
        return FhirResponse(answer.refusal(trouble), status, headers)

    async def _no_route(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._intake.figures.too_large += 1
            limit = self._listener.max_body_bytes
            too_large = Trouble("too-large", f"a body has at most {limit} bytes")
            return FhirResponse(answer.refusal(too_large), status)
        if _is_address_of_one(request):  # nothing is read back, of whatever type
            status = HTTPStatus.METHOD_NOT_ALLOWED
        is_known = status == HTTPStatus.METHOD_NOT_ALLOWED
        reason = "no-such-interaction" if is_known else "no-such-route"
        headers = {"Allow": _allowed(request)} if is_known else None
        trouble = Trouble(reason, "GET /fhir/metadata tells what there is")
        return FhirResponse(answer.refusal(trouble), status, headers)

    async def _bad_address(self, _request: Request, _error: Exception) -> Response:
        trouble = Trouble("id-unreadable", "a logical id has 1 to 64 letters, digits, - and .")
        return FhirResponse(answer.refusal(trouble), answer_to(trouble.reason).status)


def _names_in(payload: bytes, edition: EditionName) -> list[str]:
    """What a notification names and does not give; nothing where it cannot be read at all."""
    try:
        return named_in(resource(read(payload, edition)))
    except ResourceRefusedError:
        return []


def _is_address_of_one(request: Request) -> bool:
    """Whether a resource is asked for by its address, as answers give it."""
    return request.method in _READS and _ADDRESS.fullmatch(request.url.path) is not None


def _allowed(request: Request) -> str:
    """Every method of the address: the router itself names those of one route only."""
    path = request.url.path
    routes = (each for each in request.app.routes if isinstance(each, Route))
    matching = (each for each in routes if each.path_regex.match(path))
    return ", ".join(sorted({method for each in matching for method in each.methods or ()}))
