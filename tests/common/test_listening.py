"""A port under a crowd: nobody keeps another out, and no file descriptor is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import uvloop

from adapters.common import listening
from adapters.common.limits import FILES_RESERVED
from adapters.common.listening import Guest, ListeningPort, fitting
from tests.support.certificates import self_signed


class Echo(asyncio.Protocol):
    """Answers each piece; while the piece is ``work`` it works and does not answer."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.guest.connected(self.transport)

    def data_received(self, data: bytes) -> None:
        if data == b"work":
            self.guest.works()
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.guest.left()


@asynccontextmanager
async def port(
    limit: int = 4, of_one_peer: int = 4, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[ListeningPort, int]]:
    found = ListeningPort(Echo, limit, of_one_peer, tls)
    number = await found.listen("127.0.0.1", 0)
    try:
        yield found, number
    finally:
        found.close()
        for guest in found.crowd:
            guest.send_away()


async def connected(number: int) -> socket.socket:
    """A connection that is accepted some time."""
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003 - the socket API
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", number))
    return client


async def told(client: socket.socket, data: bytes) -> bytes:
    """What is answered; nothing where the connection has ended."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, data)
        return await asyncio.wait_for(loop.sock_recv(client, 100), 10)
    except ConnectionError:
        return b""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0.001)


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def first_free_file() -> int:
    found = os.dup(0)
    os.close(found)
    return found


def run(check: Callable[[], object], loop: str = "uvloop") -> None:
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(check())  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_those_who_wait_keep_nobody_out_and_the_oldest_goes(loop: str) -> None:
    async def check() -> None:
        async with port() as (found, number):
            crowd = [await connected(number) for _ in range(20)]
            await until(lambda: found.ended["for_another"] == 16)
            newest = await connected(number)
            assert await told(newest, b"hello") == b"hello"
            assert [await told(each, b"x") for each in (crowd[0], crowd[17], crowd[-1])] == [
                b"", b"x", b"x",
            ]  # fmt: skip
            assert len(found.crowd) == 4
            for each in (*crowd, newest):
                each.close()
            await until(lambda: not len(found.crowd))

    run(check, loop)


def test_who_works_stays_and_then_whoever_comes_is_refused() -> None:
    async def check() -> None:
        async with port() as (found, number):
            busy = [await connected(number) for _ in range(4)]
            assert [await told(each, b"work") for each in busy] == [b"work"] * 4
            late = await connected(number)
            assert await told(late, b"x") == b""
            assert +found.ended == {"refused": 1}
            assert [await told(each, b"x") for each in busy] == [b"x"] * 4
            for each in (*busy, late):
                each.close()

    run(check)


def test_of_a_peer_that_has_its_share_its_own_oldest_goes() -> None:
    async def check() -> None:
        async with port(limit=100, of_one_peer=3) as (found, number):
            crowd = [await connected(number) for _ in range(5)]
            await until(lambda: found.ended["for_another"] == 2)
            assert [await told(each, b"x") for each in crowd] == [b"", b"", b"x", b"x", b"x"]
            for each in crowd:
                each.close()

    run(check)


@pytest.fixture
def server_tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    made = self_signed(tmp_path, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*made)
    return context, ssl.create_default_context(cafile=made.file)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_handshakes_that_never_end_keep_nobody_out(
    loop: str, server_tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """The loop's own server tells nobody of a connection before its handshake has ended, a minute later."""
    own, trusting = server_tls

    async def check() -> None:
        before = files()
        async with port(tls=own) as (found, number):
            crowd = [await connected(number) for _ in range(20)]
            await until(lambda: found.ended["for_another"] == 16)
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", number, ssl=trusting, server_hostname="localhost"
            )
            writer.write(b"hello")
            assert await reader.read(100) == b"hello"
            writer.close()
            for each in crowd:
                each.close()
        await until(lambda: files() <= before + 1)

    run(check, loop)


def test_a_handshake_that_does_not_end_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch, server_tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    monkeypatch.setattr(listening, "HANDSHAKE_S", 0.05)

    async def check() -> None:
        async with port(tls=server_tls[0]) as (found, number):
            silent, wrong = await connected(number), await connected(number)
            assert await told(wrong, b"GET / HTTP/1.1\r\n\r\n") != b"GET / HTTP/1.1\r\n\r\n"
            await until(lambda: found.ended["handshake"] == 2)
            assert len(found.crowd) == 0
            silent.close()
            wrong.close()

    run(check)


def test_without_a_free_file_descriptor_the_oldest_who_waits_gives_its_own() -> None:
    async def check() -> None:
        async with port(limit=1_000, of_one_peer=1_000) as (found, number):
            oldest = await connected(number)
            assert await told(oldest, b"x") == b"x"
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            late = socket.socket()
            late.setblocking(False)  # noqa: FBT003 - the socket API
            resource.setrlimit(resource.RLIMIT_NOFILE, (first_free_file(), limits[1]))
            try:
                await asyncio.get_running_loop().sock_connect(late, ("127.0.0.1", number))
                await until(lambda: found.ended["for_another"] == 1)
                assert await told(late, b"hello") == b"hello"
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert found.ended["files"] >= 1
            assert await told(oldest, b"x") == b""
            oldest.close()
            late.close()

    run(check)


def test_a_port_that_is_taken_is_told_with_its_name() -> None:
    async def check() -> None:
        async with port() as (_, number):
            with pytest.raises(OSError, match=f"127.0.0.1 port {number}: ") as told_why:
                await ListeningPort(Echo, 1, 1).listen("127.0.0.1", number)
            assert told_why.value.errno == errno.EADDRINUSE

    run(check)


def test_the_files_of_a_process_are_shared_by_its_ports_with_a_reserve() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_RESERVED + 600, limits[1]))
    try:
        assert [fitting(64), fitting(5_000), fitting(5_000, ports=3)] == [64, 600, 200]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
