"""A crowd on every port of the real service: idle, half-sent, dripping. Nobody else notices."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvloop

from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import FHIR_PORT, HTTP_PORT, MLLP_PORT, Service

CROWD: Final = 10_000
AT_ONCE: Final = 200
FILES_OF_ITS_OWN: Final = 1_000
BEGUN: Final = {
    HTTP_PORT: (
        b"",
        b"GET /livez HT",
        b"GET /livez HTTP/1.1\r\nHost: b\r\nX: ",
        b"POST /v1/session HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n{",
    ),
    FHIR_PORT: (
        b"",
        b"GET /fhir/metadata HTTP/1.1\r\n",
        b"POST /fhir/Encounter HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\n{",
    ),
    MLLP_PORT: (b"", b"\x0bMSH|^~\\&|half", b"noise"),
}
"""Port to what is sent and never ended."""


@contextmanager
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < CROWD + FILES_OF_ITS_OWN:
        pytest.skip(f"{CROWD} connections need as many files: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + FILES_OF_ITS_OWN, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def crowd(offset: int, size: int) -> Iterator[None]:
    """So many connections, by turns to each port and each begun otherwise; all are held."""
    turns = cycle([(port, data) for port, each in BEGUN.items() for data in each])
    wanted = [(port + offset, data) for (port, data), _ in zip(turns, range(size), strict=False)]
    held: list[socket.socket] = []
    try:
        uvloop.run(_connect(wanted, held))
        yield
    finally:
        for each in held:
            each.close()


async def _connect(wanted: list[tuple[int, bytes]], held: list[socket.socket]) -> None:
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

    async def connect(port: int, data: bytes) -> None:
        client = socket.socket()
        client.setblocking(False)  # noqa: FBT003 - the socket API
        held.append(client)
        async with room:
            try:
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(client, data)
            except ConnectionError:  # it had to go for another
                return

    await asyncio.gather(*(connect(*each) for each in wanted))


def check_everything(service: Service, visit: str) -> None:
    """Probes, lists, MLLP and FHIR, from a message to the notice in the list."""
    assert service.get("/livez") == {"alive": True}
    assert service.get("/readyz")["ready"]
    assert service.get("/health")["ready"]
    fhir = f"http://127.0.0.1:{FHIR_PORT + service.offset}/fhir/metadata"
    assert httpx.get(fhir, timeout=20, trust_env=False).status_code == 200
    with MllpClient(service.mllp_port) as sender:
        now = datetime.now(UTC)
        answer = sender.ask(message(Visit(visit, now), "A14", visit, ward="W1"))
        assert code_of(answer) == "AA"
    while visit not in {row["visit"]["visit"] for row in listed(service)}:
        pass


def listed(service: Service) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = service.get("/v1/wards/W1/inbound")["patients"]
    return found


@pytest.mark.parametrize("files", [None, 1_024], ids=["as many files as it wants", "few files"])
def test_a_crowd_on_every_port_leaves_everybody_else_alone(
    tmp_path: Path, files: int | None
) -> None:
    (tmp_path / "data").mkdir()
    service = Service(tmp_path / "data")
    service.files = files
    service.start()
    try:
        service.wait_until_ready()
        with many_files():
            with crowd(service.offset, CROWD):
                check_everything(service, "amid the crowd")
                assert service.stop() == 0
            service.start()
            with crowd(service.offset, CROWD // 10):  # while it starts
                service.wait_until_ready()
                check_everything(service, "after a restart")
        assert service.stop() == 0
    finally:
        service.stop()
    assert "Traceback" not in service.said()
