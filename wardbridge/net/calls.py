"""The HTTP client for FHIR servers, identity providers, schema registries and the service itself.

They go by the client that notices go by (``router.delivery.http``). Where they go, those who operate say in
the configuration: into this network too, and never to an address that nobody has.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Self

import aiohttp
import yarl

from adapters.common.calls import (
    Call,
    HttpRequest,
    HttpResponse,
    NoAnswerError,
    NobodyThereError,
    TooLongError,
    whole,
)
from router.delivery.addresses import Policy
from router.delivery.http import reason_of, session

MOST_BYTES: Final = 16_777_216
"""Of an answer of who is asked besides notices, read while it comes: a page of a FHIR search has some megabytes."""

OPERATED: Final = Policy(allow_private=True)


class HttpAnswer(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is one of the 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        """Raises ValueError where it is none."""
        return json.loads(self.body)


class Calls:
    """Calls over connections that are kept, each to its whole answer within so long; None: for ever."""

    def __init__(self, within_s: float | None, tls: ssl.SSLContext | bool = True) -> None:  # noqa: FBT001, FBT002 - as aiohttp has it
        self._within_s = within_s
        self._tls = tls
        self._client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def __call__(self, asked: HttpRequest) -> AsyncIterator[HttpResponse]:
        """Make one. Raises NoAnswerError."""
        if self._client is None:  # made in the event loop that it works in
            self._client = session(self._tls, OPERATED)
        try:
            async with asyncio.timeout(self._within_s):
                async with await _sent(self._client, asked) as response:
                    yield HttpResponse(
                        response.status, response.headers, response.content.iter_any()
                    )
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one
            is_alone = isinstance(error, aiohttp.ClientConnectorError) and isinstance(
                error.os_error, ConnectionRefusedError
            )
            raise (NobodyThereError if is_alone else NoAnswerError)(reason_of(error)) from None

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _sent(client: aiohttp.ClientSession, asked: HttpRequest) -> aiohttp.ClientResponse:
    plain = asked.url.isascii() and " " not in asked.url
    try:
        url = yarl.URL(asked.url, encoded=plain)  # as it was given: a server may sign its links
        return await client.request(
            asked.method, url, headers=asked.headers, data=asked.body, allow_redirects=False
        )
    except ValueError:
        raise NoAnswerError("no such request can be made") from None


async def answer_to(call: Call, asked: HttpRequest, most_bytes: int = MOST_BYTES) -> HttpAnswer:
    """The whole answer. Raises NoAnswerError."""
    try:
        async with call(asked) as incoming:
            return HttpAnswer(incoming.status, incoming.headers, await whole(incoming, most_bytes))
    except TooLongError as error:
        raise NoAnswerError(str(error)) from None


def ask(
    asked: HttpRequest,
    tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as aiohttp has it
    within_s: float = 30.0,
) -> HttpAnswer:
    """The same for a command, which waits for it. Raises NoAnswerError."""

    async def asking() -> HttpAnswer:
        async with Calls(within_s, tls) as call:
            return await answer_to(call, asked)

    return asyncio.run(asking())


def got(url: str) -> HttpAnswer:
    """A good answer. Raises NoAnswerError where there is none, or another."""
    answer = ask(HttpRequest(url))
    if not answer.is_success:
        raise NoAnswerError(f"answered {answer.status}")
    return answer


async def lines(incoming: HttpResponse) -> AsyncIterator[str]:
    """The lines of an answer as they come, without their ends."""
    rest = b""
    async for piece in incoming.pieces:
        *done, rest = (rest + piece).split(b"\n")
        for line in done:
            yield line.rstrip(b"\r").decode("utf-8")
