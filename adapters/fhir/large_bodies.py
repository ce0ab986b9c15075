"""Processes large bodies outside the event loop, so that other requests do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

READ_ASIDE_BYTES: Final = 32_000
"""A larger body is read in a thread: a whole Bundle would keep all other senders waiting."""

Result = TypeVar("Result")


async def aside(payload: bytes, work: Callable[[], Result]) -> Result:
    """Do what a body asks for: in a thread where it is large, so that the loop goes on with everybody else's."""
    return await asyncio.to_thread(work) if len(payload) > READ_ASIDE_BYTES else work()
