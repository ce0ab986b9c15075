"""What is wrong with a request, unquoted: what was sent may be a secret, or of a patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

_QUOTES: Final = frozenset({"input", "ctx", "url"})


def unquoted(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a model refuses and where, without what was sent."""
    return [{name: said for name, said in each.items() if name not in _QUOTES} for each in errors]


async def badly_asked(_request: Request, error: Exception) -> Response:
    """The answer to a request that does not fit its route."""
    if not isinstance(error, RequestValidationError):
        raise error
    return JSONResponse({"detail": unquoted(error.errors())}, 422)
