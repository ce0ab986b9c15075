"""Error responses as problem details (RFC 9457): what is wrong and what to do; nothing of the request is quoted.

``type`` is ``about:blank``: the status tells of which kind a problem is, ``title`` is its phrase (section 4.2.1), and
``detail`` says what is wrong here. Where parts of a request are wrong, ``errors`` names each with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from schemas.base import Frozen

MEDIA_TYPE: Final = "application/problem+json"
_QUOTES: Final = frozenset({"input", "ctx", "url"})


class Wrong(Frozen):
    """One part of a request that is wrong."""

    loc: tuple[str | int, ...] = Field(
        description="where: `body`, `path`, `query` or `header` first"
    )
    msg: str = Field(description="what is wrong with it; what was sent is not quoted")
    type: str = Field(description="a code of the kind of mistake")


class Problem(Frozen):
    """Why a request is refused (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="the phrase of the status")
    status: int
    detail: str = Field(description="what is wrong, and what to do; for people")
    errors: tuple[Wrong, ...] | None = Field(
        None, description="of a request of which parts are wrong: each of them"
    )


class ProblemResponse(JSONResponse):
    """A refusal."""

    media_type = MEDIA_TYPE


def unquoted(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a model refuses and where, without what was sent."""
    return [{name: said for name, said in each.items() if name not in _QUOTES} for each in errors]


def problem(
    status: int, detail: str | list[dict[str, Any]], headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """The answer."""
    errors = None if isinstance(detail, str) else tuple(Wrong.model_validate(e) for e in detail)
    text = detail if isinstance(detail, str) else "; ".join(map(_line, errors or ()))
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=text, errors=errors)
    return ProblemResponse(body.model_dump(mode="json", exclude_none=True), status, headers)


def _line(wrong: Wrong) -> str:
    return f"{'.'.join(map(str, wrong.loc))}: {wrong.msg}"


async def refused(_request: Request, error: Exception) -> Response:
    """The answer to a request that is refused."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, error.detail, error.headers)


async def badly_asked(_request: Request, error: Exception) -> Response:
    """The answer to a request that does not fit its route."""
    if not isinstance(error, RequestValidationError):
        raise error
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, unquoted(error.errors()))
