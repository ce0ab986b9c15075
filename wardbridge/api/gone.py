"""Cancels long read-only work when its HTTP client has disconnected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event
from typing import Final

from fastapi import Request

GONE: Final = "http.disconnect"


@asynccontextmanager
async def watched(request: Request) -> AsyncIterator[Callable[[], bool]]:
    """Tells, to any thread, whether the client has gone. Its body must have been read before."""
    gone = Event()

    async def watch() -> None:
        while (await request.receive())["type"] != GONE:
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield gone.is_set
    finally:
        watching.cancel()
