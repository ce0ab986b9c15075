"""What one connection can make the server do: how long it may keep us waiting, how much is parsed at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.limits import LINGER_BYTES, PIECES_AT_ONCE
from tests.wardbridge.test_access import ALL, gate_for
from tests.wardbridge.test_http import Surface, notice, surface
from wardbridge.config.authorisation import Grant
from wardbridge.net import connection, server
from wardbridge.net.connection import ConnectionPhase, HeldConnection

SOON_S = 0.2
HEAD = b"GET /livez HTTP/1.1\r\nHost: bridge\r\n\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time-out is short, so that a test sees it pass."""
    monkeypatch.setattr(connection, "WITHIN_S", dict.fromkeys(connection.WITHIN_S, SOON_S))
    monkeypatch.setattr(connection, "WRITE_WITHIN_S", SOON_S)
    monkeypatch.setattr(server, "SWEEP_S", 0.02)


class Peer:
    """A client that sends what no library would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until_ended(self) -> bytes:
        """All that is answered until the connection is at its end."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b"(reset)"

    async def drip(self, data: bytes) -> None:
        """One byte after another, without end."""
        for byte in data * 1_000:
            if self.writer.is_closing():
                return
            self.send(bytes([byte]))
            await asyncio.sleep(0.01)

    async def answer(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def peer(running: Surface) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.bound_port())
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


HALVES = {
    "nothing": b"",
    "half a line": b"GET /live",
    "a line": b"GET /livez HTTP/1.1\r\n",
    "half of the headers": b"GET /livez HTTP/1.1\r\nHost: bridge\r\nX: ",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("is_second", [False, True], ids=["first", "second"])
def test_a_request_that_does_not_come_ends_its_connection(half: bytes, is_second: bool) -> None:  # noqa: FBT001
    """Uvicorn, pull request 1192: its own time-out begins with the first answer."""

    async def check() -> None:
        async with surface() as running, peer(running) as client:
            if is_second:
                client.send(HEAD)
                assert b"200 OK" in await client.answer()
                if not half:
                    return  # it may be silent for longer between two
            client.send(half)
            dripping = asyncio.create_task(client.drip(b"x"))
            if not half:
                dripping.cancel()
            await client.until_ended()
            dripping.cancel()
            assert running.server.ended()["request"] == 1
            assert running.server.connections() == 0

    asyncio.run(check())


BODIES = {
    "none of what was announced": (b"Content-Length: 1000\r\n\r\n", b""),
    "half of what was announced": (b"Content-Length: 1000\r\n\r\n", b"["),
    "half a chunk": (b"Transfer-Encoding: chunked\r\n\r\n", b"ff\r\n["),
    "no last chunk": (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n"),
}


@pytest.mark.parametrize(("headers", "body"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_does_not_come_ends_its_connection(headers: bytes, body: bytes) -> None:
    async def check() -> None:
        async with surface() as running, peer(running) as client:
            start = b"POST /v1/session HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
            client.send(start + headers + body)
            await client.until_ended()
            assert +running.server.ended() == {"body": 1}
            assert running.server.connections() == 0

    asyncio.run(check())


def test_a_stream_that_nobody_reads_any_more_is_ended() -> None:
    """Of sse-starlette issue 89: such a listener stayed until the machine that it was on went away."""

    async def check() -> None:
        async with surface(limit=100_000) as running, peer(running) as client:
            client.send(b"GET /v1/wards/MED/stream HTTP/1.1\r\nHost: b\r\n\r\n")
            await client.answer()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            running.log.append([notice("MED", sequence) for sequence in range(1, 20_001)])
            await _until(lambda: not running.hub.listeners())
            assert +running.server.ended() == {"unread": 1}

    asyncio.run(check())


def refused(length: int) -> bytes:
    start = b"PUT /v1/subscribers/x HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
    return start + f"Content-Length: {length}\r\n\r\n".encode()


def test_who_is_refused_can_read_why_while_sending() -> None:
    async def check() -> None:
        async with surface(gate=gate_for(Grant(may=ALL))) as running, peer(running) as client:
            client.send(refused(5_000_000))
            for _ in range(50):
                client.send(b"[" * 100_000)
                await asyncio.sleep(0)
            answer = await client.until_ended()
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"connection: close" in answer

    asyncio.run(check())


def test_who_goes_on_sending_without_end_is_cut_off() -> None:
    async def check() -> None:
        async with surface(gate=gate_for(Grant(may=ALL))) as running, peer(running) as client:
            client.send(refused(LINGER_BYTES * 10))
            sent = 0
            while sent < LINGER_BYTES * 3 and not client.writer.is_closing():
                client.send(b"[" * 4_000_000)
                sent += 4_000_000
                try:
                    async with asyncio.timeout(10):
                        await client.writer.drain()
                except ConnectionError:
                    break
            assert sent < LINGER_BYTES * 2
            assert running.server.connections() == 0

    asyncio.run(check())


def test_who_is_refused_and_stays_is_ended() -> None:
    async def check() -> None:
        async with surface(gate=gate_for(Grant(may=ALL))) as running, peer(running) as client:
            client.send(refused(1_000))
            assert (await client.answer()).startswith(b"HTTP/1.1 401 ")
            await client.until_ended()
            while running.server.connections():  # noqa: ASYNC110 - nothing else tells of it
                await asyncio.sleep(0.01)
            assert +running.server.ended() == {"lingering": 1}

    asyncio.run(check())


def test_a_connection_is_used_again_after_bodies_of_every_kind() -> None:
    """Announced and chunked, read and unread, whole at once and piece by piece."""

    async def check() -> None:
        async with surface() as running, peer(running) as client:
            why = json.dumps({"reason": "r" * 300}).encode()
            chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in why) + b"0\r\n\r\n"
            start = b"POST /v1/subscribers/x/pause HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
            announced = start + f"Content-Length: {len(why)}\r\n\r\n".encode() + why
            chunked = start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
            unread = (
                b"POST /v1/subscribers/x/resume HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}"
            )
            for request in (announced, chunked, unread, announced):
                client.send(request)
                assert b"404 Not Found" in await client.answer()
                await client.reader.readuntil(b"}")
            assert running.server.connections() == 1

    asyncio.run(check())


def test_requests_that_come_at_once_are_answered_in_turn() -> None:
    async def check() -> None:
        async with surface() as running, peer(running) as client:
            client.send(HEAD * 20)
            for _ in range(20):
                assert b"200 OK" in await client.answer()
                assert await client.reader.readexactly(14) == b'{"alive":true}'

    asyncio.run(check())


@given(st.integers(1, 2_000), st.lists(st.integers(1, 500), max_size=20))
def test_no_more_pieces_are_parsed_than_were_asked_for(chunks: int, cuts: list[int]) -> None:
    """However the bytes come; and none is lost."""
    held = HeldConnection()
    head = b"POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"1\r\n[\r\n" * chunks + b"0\r\n\r\n"
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(data[at : at + cut])
        at += cut
    seen = 0
    for piece in (*pieces, data[at:]):
        if piece:
            held.receive_data(piece)
        while True:
            events = _parsed(held)
            seen += events
            assert events <= PIECES_AT_ONCE
            if not held.is_held:
                break
            held.ask()
    assert seen == chunks
    assert held.their_state is h11.DONE


def _parsed(held: HeldConnection) -> int:
    """How many pieces of the body one turn gives."""
    found = 0
    while (event := held.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
        found += isinstance(event, h11.Data)
    return found


def test_a_restart_waits_for_nobody_who_keeps_it_waiting(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WITHIN_S", {})

    async def check() -> None:
        async with surface() as running, AsyncExitStack() as stack:
            halves = [*HALVES.values(), refused(1_000), refused(1_000) + b"["]
            for half in halves:
                (await stack.enter_async_context(peer(running))).send(half)
            await _until(lambda: running.server.connections() == len(halves))
            await running.server.stop()
            assert running.server.connections() == 0

    with caplog.at_level(logging.ERROR):
        asyncio.run(check())
    assert [record.message for record in caplog.records] == []


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0.001)


def test_ranges_without_end_cost_no_more_than_the_page() -> None:
    """CVE-2025-62727: the ranges of one header were merged in quadratic time."""

    async def check() -> None:
        async with surface() as running:
            many = ",".join(f"{n}-{n}" for n in range(0, 5_000, 2))[:15_000]
            for path in ("/wards/MED", "/pages/ward.js"):
                answer = await running.client.get(path, headers={"Range": f"bytes={many}"})
                assert answer.status_code in {200, 206, 400, 416}
                assert len(answer.content) < 100_000

    asyncio.run(check())


def test_every_phase_but_those_in_which_we_work_or_may_be_idle_has_its_time() -> None:
    assert connection.WITHIN_S.keys() == {*ConnectionPhase} - {
        ConnectionPhase.ANSWER,
        ConnectionPhase.IDLE,
    }


@pytest.mark.parametrize(
    "head", [b"GET /" + b"x" * 20_000, b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 4_000]
)
def test_headers_without_end_are_refused(head: bytes) -> None:
    async def check() -> None:
        async with surface() as running, peer(running) as client:
            client.send(head)
            assert (await client.until_ended()).startswith(b"HTTP/1.1 400 ")

    asyncio.run(check())


def test_a_connection_that_asks_for_nothing_more_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 1.0)

    async def check() -> None:
        async with surface() as running, peer(running) as client:
            client.send(HEAD)
            assert (await client.until_ended()).startswith(b"HTTP/1.1 200 OK")
            assert +running.server.ended() == {}

    asyncio.run(check())
