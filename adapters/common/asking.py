"""Routes that authenticate the caller and check the size before they read a body.

FastAPI itself reads and parses a body before any dependency runs. An :class:`AskingRoute` asks first,
refuses a body that is announced as too large before any of it is read, and one that is not announced as soon
as more has come than the route takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Final

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

Ask = Callable[[Request], Awaitable[int]]
"""Lets a request in and gives how many bytes its body may have, or raises what refuses it."""

NO_BODY: Final = 0
DESCRIPTION: Final = "/openapi.json"


class AskingRoute(APIRoute):
    """Asks :attr:`ask` before anything of the body is read."""

    ask: ClassVar[Ask]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, behind the question."""
        handle, ask = super().get_route_handler(), type(self).ask

        async def asked(request: Request) -> Response:
            limit = await ask(request)
            refuse_announced(request, limit)
            try:
                return await handle(Request(request.scope, bounded(request.receive, limit)))
            except ClientDisconnect:  # nobody reads the answer, and nothing is wrong with us
                return Response(status_code=400)

        return asked


def route_that_asks(ask: Ask) -> type[AskingRoute]:
    """The class of an application's routes: ``app.router.route_class``."""
    return type("Route", (AskingRoute,), {"ask": staticmethod(ask)})


def add_description(app: FastAPI) -> None:
    """Add what the framework would add by itself, behind the question."""

    @app.get(DESCRIPTION, include_in_schema=False)
    async def description() -> JSONResponse:
        """The routes, as OpenAPI describes them."""
        return JSONResponse(app.openapi())


def refuse_announced(request: Request, limit: int) -> None:
    """Raises HTTPException (413) where the headers announce more than the limit."""
    announced = request.headers.get("content-length", "")
    is_chunked = "transfer-encoding" in request.headers
    too_long = announced.isdecimal() and (
        len(announced) > len(str(limit)) or int(announced) > limit
    )
    if too_long or (is_chunked and limit == NO_BODY):
        raise _too_large(limit)


def bounded(receive: Receive, limit: int) -> Receive:
    """The same messages; raises HTTPException (413) with the first byte over the limit."""
    left = limit

    async def received() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(limit)
        return message

    return received


def _too_large(limit: int) -> HTTPException:
    text = f"the body has more than {limit} bytes" if limit else "this route takes no body"
    return HTTPException(413, text)
