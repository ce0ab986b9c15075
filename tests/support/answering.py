"""Calls of an adapter answered by a function instead of a server."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from adapters.common.calls import Call, HttpRequest, HttpResponse, NoAnswerError


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> Call:
    """Each call is handed over as a request; what the function raises of httpx is no answer."""

    @asynccontextmanager
    async def call(asked: HttpRequest) -> AsyncIterator[HttpResponse]:
        form = asked.body if not isinstance(asked.body, bytes) else None
        content = asked.body if isinstance(asked.body, bytes) else None
        request = httpx.Request(
            asked.method, asked.url, headers=dict(asked.headers), content=content, data=form
        )
        try:
            answer = handler(request)
        except httpx.TransportError as error:
            raise NoAnswerError(str(error)) from None
        yield HttpResponse(answer.status_code, answer.headers, _pieces(answer.content))

    return call


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]
