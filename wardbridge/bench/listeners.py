"""Many open streams: a process that listens to wards and notes when each notice came to each.

It runs as a process of its own (``python -m wardbridge.bench.listeners``) so that it does not share
an interpreter with what it measures. It prints ``listening`` once every stream is open, and when it
has heard what was wanted, or after a minute, one JSON object: visit to the moments
(``time.perf_counter``, seconds) at which its listeners heard of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, cast

import uvloop

from wardbridge.runtime.files import allow_more_files

READY: Final = "listening"
WITHIN_S: Final = 60.0
OPENING: Final = 100  # connections under way at once: a server's backlog is not endless
_VISIT: Final = re.compile(rb'"visit": ?"(\w+)"')
_END: Final = b"\n\n"


@dataclass
class HeardNotices:
    """Shared by all streams: when each visit's notice came, to how many."""

    wanted: int
    all: asyncio.Event
    at: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    events: int = 0

    def note(self, visit: str) -> None:
        """One listener heard of one visit."""
        self.at[visit].append(time.perf_counter())
        self.events += 1
        if self.events >= self.wanted:
            self.all.set()


class StreamListener(asyncio.Protocol):
    """One stream of one ward."""

    def __init__(self, ward: str, heard: HeardNotices) -> None:
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ward = ward
        self._heard = heard
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        request = f"GET /v1/wards/{self._ward}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        # uvloop has transports of its own that do not inherit from asyncio's
        cast("asyncio.Transport", transport).write(request.encode())

    def data_received(self, data: bytes) -> None:
        """Whole events; what is left begins the next one."""
        *events, self._buffer = (self._buffer + data).split(_END)
        for event in events:
            if not self.open.done() and b"retry:" in event:
                self.open.set_result(None)
            if found := _VISIT.search(event):
                self._heard.note(found[1].decode())

    def connection_lost(self, exc: Exception | None) -> None:
        """A stream that ended is missed in the counts."""
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError("refused"))


async def run(port: int, listeners: int, wards: int, wanted: int) -> dict[str, list[float]]:
    """Listen until ``wanted`` events came in all, or for a minute."""
    heard = HeardNotices(wanted, asyncio.Event())
    opening = asyncio.Semaphore(OPENING)

    async def listen(ward: str) -> None:
        async with opening:
            loop = asyncio.get_running_loop()
            _, listener = await loop.create_connection(
                lambda: StreamListener(ward, heard), "127.0.0.1", port
            )
            await listener.open

    await asyncio.gather(*(listen(f"BENCH-{number % wards}") for number in range(listeners)))
    print(READY, flush=True)  # noqa: T201
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(heard.all.wait(), WITHIN_S)
    return heard.at


def main() -> None:
    """PORT LISTENERS WARDS WANTED."""
    allow_more_files()
    port, listeners, wards, wanted = map(int, sys.argv[1:5])
    heard = uvloop.run(run(port, listeners, wards, wanted))
    print(json.dumps(heard), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
