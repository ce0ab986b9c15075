"""The interface through which adapters make HTTP calls; the service provides one client for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple


class NoAnswerError(Exception):
    """No answer, or half of one. The text says why, and nothing of the request."""


class NobodyThereError(NoAnswerError):
    """Nothing listens at the address."""


class HttpRequest(NamedTuple):
    """A request. ``body``: bytes, or the fields of a form."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes | Mapping[str, str] | None = None


class HttpResponse(NamedTuple):
    """An answer of which the head has come; the rest comes in pieces. Raises NoAnswerError amid them."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    pieces: AsyncIterator[bytes]


class TooLongError(ValueError):
    """More bytes than were to be read."""


Call = Callable[[HttpRequest], AbstractAsyncContextManager[HttpResponse]]
"""Makes a request, follows no redirect, and lets go of the answer at the end. Raises NoAnswerError."""


async def whole(incoming: HttpResponse, most_bytes: int) -> bytes:
    """All of the answer's body. Raises TooLongError or NoAnswerError."""
    body = bytearray()
    async for piece in incoming.pieces:
        body += piece
        if len(body) > most_bytes:
            raise TooLongError(f"more than {most_bytes} bytes in one answer")
    return bytes(body)
