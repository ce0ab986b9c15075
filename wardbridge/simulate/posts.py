"""A receiver of webhooks and of FHIR notifications over plain sockets: it says yes, or misbehaves."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from wardbridge.simulate.listening import Listening

TEST: Final = b"wardbridge.test.v1"
"""In what is about nobody, which is kept apart."""


class Call(NamedTuple):
    """One request as it came."""

    headers: dict[str, str]
    """Names in small letters."""
    body: bytes
    path: str = ""
    peer: int = 0
    """The port that it came from: one for each connection."""

    @property
    def event(self) -> dict[str, Any]:
        """The body, read."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def sequence(self) -> int:
        """Of a webhook's notice."""
        return int(self.event["subscriptionsequence"])


Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection; what it does is the receiver's to say."""

    call: Call
    protocol_version = "HTTP/1.1"
    server: HttpReceiverServer

    def do_POST(self) -> None:
        """Note a request and do with it as told."""
        wanted = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(wanted)
        if len(body) < wanted:  # the caller was killed amid it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.call = Call(headers, body, self.path, self.client_address[1])
        if TEST in body and self.server.receiver.keeps_tests_apart:
            self.server.receiver.tested(self.call)
            self.answer(HTTPStatus.NO_CONTENT)
        else:
            self.server.receiver.heard(self.call)(self)

    do_GET = do_POST  # noqa: N815 - as the base class calls it

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Say so. Names of headers have underscores."""
        if status < HTTPStatus.MULTIPLE_CHOICES and TEST not in self.call.body:
            self.server.receiver.takes(self.call)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class HttpReceiverServer(ThreadingHTTPServer):
    """Many connections at once."""

    daemon_threads = True
    receiver: HttpReceiver

    def handle_error(self, *_: object) -> None:
        """A caller that hung up."""


def answering(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with that status."""
    return lambda handler: handler.answer(status, body, **headers)


def resetting(handler: Handler) -> None:
    """Close at once with what was sent unanswered."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.close_connection = True
    handler.connection.close()


def hanging(handler: Handler) -> None:
    """Say nothing until the caller hangs up."""
    with suppress(OSError):
        handler.connection.recv(1)
    handler.close_connection = True


def dripping(handler: Handler) -> None:
    """Begin an answer and go on for ever, too slowly for any time limit between two bytes."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        handler.connection.settimeout(0.01)
        while True:
            handler.wfile.write(b".")
            handler.wfile.flush()
            with suppress(TimeoutError):
                if handler.connection.recv(1) == b"":
                    break
    handler.close_connection = True


class HttpReceiver(Listening[Call, Behaviour]):
    """A real HTTP server on a port of its own."""

    def __init__(
        self,
        behave: Callable[[Call], Behaviour] | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        keeps_tests_apart: bool = True,
    ) -> None:
        self.keeps_tests_apart = keeps_tests_apart
        server = HttpReceiverServer((host, port), Handler)
        server.receiver = self
        super().__init__(server, behave or (lambda _: answering(HTTPStatus.NO_CONTENT)))
        self.url = f"http://127.0.0.1:{self.port}/notices"
