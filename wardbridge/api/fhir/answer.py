"""Responses of the FHIR API: resources, and an OperationOutcome for each refusal.

Texts name elements and rules, never values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from router.delivery.resources import FHIR_JSON, Json

BASE: Final = "/fhir"
_CODES: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "login",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.PRECONDITION_FAILED: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-long",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "not-supported",
    HTTPStatus.UNPROCESSABLE_ENTITY: "value",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
}
_JSON_TYPES: Final = frozenset({"", FHIR_JSON, "application/json"})


class ResourceResponse(JSONResponse):
    """A resource."""

    media_type = FHIR_JSON


class OperationRefusedError(HTTPException):
    """Not done, and why; ``where`` is the element that is wrong."""

    def __init__(
        self, status: int, detail: str, where: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(status, detail)
        self.where = where
        self.code = code


def outcome(status: int, text: str, where: str | None = None, code: str | None = None) -> Json:
    """An OperationOutcome with one issue."""
    severity = "information" if status < HTTPStatus.BAD_REQUEST else "error"
    known = "informational" if status < HTTPStatus.BAD_REQUEST else _CODES.get(status, "processing")
    issue: Json = {"severity": severity, "code": code or known, "diagnostics": text}
    if where is not None:
        issue["expression"] = [where]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refused(error: HTTPException) -> ResourceResponse:
    """A refusal of ours, of the gate or of the framework."""
    where, code = getattr(error, "where", None), getattr(error, "code", None)
    body = outcome(error.status_code, str(error.detail), where, code)
    return ResourceResponse(body, error.status_code, error.headers)


async def resource_in(request: Request, kind: str) -> Json:
    """The resource in a body. Raises RefusedError."""
    return resource_from(request, await request.body(), kind)


def resource_from(request: Request, body: bytes, kind: str) -> Json:
    """The resource that a request's body is. Raises RefusedError."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _JSON_TYPES:
        raise OperationRefusedError(415, f"send {FHIR_JSON}")
    try:
        found: Any = json.loads(body)
        json.dumps(found, ensure_ascii=False).encode()  # half a character could not be answered
    except (ValueError, RecursionError):
        raise OperationRefusedError(400, "the body is not JSON") from None
    if not isinstance(found, dict) or found.get("resourceType") != kind:
        raise OperationRefusedError(400, f"the body is not a {kind}", "resourceType")
    return found
