"""A request's body, read no further than anything of use goes; and what is wrong with a request, unquoted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import HTTPException, Request

MAX_BYTES: Final = 65_536
"""Of whatever is asked for over HTTP, a Subscription among it: a hundred filters have room."""


_QUOTES: Final = frozenset({"input", "ctx", "url"})


def unquoted(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a model refuses and where, without what was sent: it may be a secret, or of a patient."""
    return [{name: said for name, said in each.items() if name not in _QUOTES} for each in errors]


async def body_in(request: Request) -> bytes:
    """The body, however its length is said. Raises HTTPException (413)."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"the body has more than {MAX_BYTES} bytes")
    return bytes(body)
