"""A listener over real sockets, and a sender to it: what tests of the listener share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from adapters.hl7v2 import reader
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import MllpListener
from adapters.hl7v2.server import MllpServer
from bus.memory import MemoryLog
from bus.port import LogError, Record, TopicPartition
from tests.hl7v2.lab import message, normaliser

GOOD, TIMEOUT_S = message("A15", {42: "W2"}), 20


def framed(payload: bytes) -> bytes:
    return b"\x0b" + payload + b"\x1c\r"


def numbered(number: int) -> bytes:
    return message("A15", {42: "W2"}, msh={10: f"N{number}"})


Run = Callable[[Coroutine[Any, Any, Any]], Any]


class HeldLog(MemoryLog):
    """Tells nobody that anything is durable until ``release``; ``error`` is what it tells then."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Callable[[LogError | None], None]] = []
        self.arrived = asyncio.Event()

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        super().submit(records, lambda _: self.held.append(on_done))
        self.arrived.set()

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.held) < count:
                self.arrived.clear()
                await self.arrived.wait()


class Sender:
    """One connection to the listener."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self) -> tuple[str, str]:
        """MSA-1 and MSA-2 of the next answer."""
        async with asyncio.timeout(TIMEOUT_S):
            answer = await self.reader.readuntil(b"\x1c\r")
        msa = reader.read(answer.strip(b"\x0b\x1c\r")).first("MSA")
        return msa.raw(1), msa.raw(2)

    async def end(self) -> bytes:
        """What still comes until the listener closes; a connection that is reset has ended, too."""
        async with asyncio.timeout(TIMEOUT_S):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read()
        return b""


async def send_apart(sender: Sender, log: HeldLog, *payloads: bytes) -> None:
    """Each in a turn of the loop of its own, so that each is handed to the log alone."""
    for count, payload in enumerate(payloads, 1):
        await sender.send(framed(payload))
        await log.holds(count)


@contextlib.asynccontextmanager
async def serving(
    log: MemoryLog, listener: MllpListener | None = None, adapter: Hl7Normaliser | None = None
) -> AsyncIterator[tuple[MllpServer, Sender]]:
    server = MllpServer(adapter or normaliser(), log, listener or MllpListener(port=0))
    await server.start()
    sender = Sender(await asyncio.open_connection("127.0.0.1", server.port))
    try:
        yield server, sender
    finally:
        sender.writer.close()
        await server.drain(timeout_s=0)


def stored(log: MemoryLog, topic: str) -> list[bytes | None]:
    return [record.value for record in log.scan(TopicPartition(topic, 0), 0, 10_000)]
