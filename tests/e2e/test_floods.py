"""Without a token, bodies without end to every route that takes one, of every port: refused, and they cost nothing."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Final

import pytest

from adapters.common.limits import LINGER_BYTES
from adapters.fhir.surface import DEEDS
from tests.e2e.test_service import started
from tests.support.access import lab_with_access
from tests.support.service import FHIR_PORT, HTTP_PORT, Service
from wardbridge.security.route_rights import RULES

PIECE: Final = b"[]," * 100_000
FLOOD_BYTES: Final = 30_000_000
"""To each route in each form: a gigabyte and a half together. Read, it would be some twenty gigabytes of objects."""
GROWS_BY_MB: Final = 60
WRITING: Final = ("POST", "PUT", "PATCH", "DELETE")
OPEN: Final = ("POST /v1/session", "DELETE /v1/session")
"""Signing in and out is for those who have no session: their limit is a few kilobytes."""


def peak_mb(service: Service) -> int:
    assert service.process is not None
    statuses = [
        Path(f"/proc/{pid}/status").read_text("ascii")
        for pid in (service.process.pid, *service.children())
    ]
    return sum(int(re.findall(r"VmHWM:\s+(\d+)", each)[0]) for each in statuses) // 1024


def place(rule: str) -> tuple[str, str]:
    method, _, path = rule.partition(" ")
    path = path.replace("{ward:path}", "AKM").replace("{designation}", "0" * 32)
    return method, re.sub(r"\{[^}]+\}", "1", path)


def flooded(port: int, rule: str, *, chunked: bool) -> int:
    """The status with which a body without end is answered; 0: cut off without a word."""
    method, path = place(rule)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {LINGER_BYTES}"
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    )
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    with socket.create_connection(("127.0.0.1", port), 30) as flood:
        try:
            flood.sendall(head.encode())
            for _ in range(FLOOD_BYTES // len(PIECE)):
                flood.sendall(piece)
        except ConnectionError:
            pass  # it was cut off; what was said before may still be here
        try:
            return int(flood.recv(100).split()[1])
        except (ConnectionError, IndexError):
            return 0


def expected(port: int, rule: str) -> set[int]:
    """The lab's feed asks nobody, on this machine: there the size alone is the limit."""
    if port == FHIR_PORT:
        return {413}
    return {204, 413} if rule in OPEN else {401}


def routes() -> list[tuple[int, str]]:
    own = [(HTTP_PORT, rule) for rule in RULES]
    feeds = [(FHIR_PORT, rule) for rule in DEEDS]
    return [(port, rule) for port, rule in own + feeds if rule.startswith(WRITING)]


def test_bodies_without_end_from_nobody_cost_nothing(tmp_path: Path) -> None:
    service = started(lab_with_access(tmp_path, "AKM"))
    try:
        before = peak_mb(service)
        for port, rule in routes():
            for chunked in (True, False):
                status = flooded(port + service.offset, rule, chunked=chunked)
                assert status in expected(port, rule), (rule, chunked, status)
        assert service.get("/livez") == {"alive": True}
        assert peak_mb(service) - before < GROWS_BY_MB
        assert service.stop() == 0
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


@pytest.mark.parametrize("rule", ["POST /v1/session", "POST /v1/subscribers/{name}/pause"])
def test_the_routes_that_cost_gigabytes_are_among_them(rule: str) -> None:
    assert (HTTP_PORT, rule) in routes()
