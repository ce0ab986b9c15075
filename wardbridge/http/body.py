"""A request's body, read no further than anything of use goes."""

from __future__ import annotations

from typing import Final

from fastapi import HTTPException, Request

MAX_BYTES: Final = 65_536
"""Of whatever is asked for over HTTP, a Subscription among it: a hundred filters have room."""


async def body_in(request: Request) -> bytes:
    """The body, however its length is said. Raises HTTPException (413)."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"the body has more than {MAX_BYTES} bytes")
    return bytes(body)
