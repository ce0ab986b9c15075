"""A receiver of HL7 messages over plain sockets: it says yes, or misbehaves as it is told to."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tests.support.listening import Listening
from tests.support.mllp import END, START, fields_of, framed

BEFORE_MSH_3 = 2


class Heard(NamedTuple):
    """One message as it came."""

    payload: bytes
    connection: int = 0

    @property
    def control_id(self) -> str:
        return fields_of(self.payload, b"MSH")[9].decode()

    @property
    def sequence(self) -> int:
        return int(self.control_id.partition(".")[0])

    @property
    def trigger(self) -> str:
        return fields_of(self.payload, b"MSH")[8].decode()

    @property
    def visit(self) -> str:
        return fields_of(self.payload, b"PV1")[19].decode().partition("^")[0]

    @property
    def ward(self) -> str:
        return fields_of(self.payload, b"PV1")[42].decode().partition("^")[0]

    def answer(self, code: str, of: str | None = None) -> bytes:
        msh = b"|".join(fields_of(self.payload, b"MSH")[:BEFORE_MSH_3])
        control_id = self.control_id if of is None else of
        return msh + f"|LAB|||||ACK|1|P|2.5.1\rMSA|{code}|{control_id}\r".encode()


Behaviour = Callable[["Connection", Heard], None]


class Connection(socketserver.BaseRequestHandler):
    """One connection; what it does is the receiver's to say."""

    server: Server

    def handle(self) -> None:
        buffer = b""
        while piece := self._received():
            buffer += piece
            while END in buffer:
                message, _, buffer = buffer.partition(END)
                heard = Heard(message.removeprefix(START), self.client_address[1])
                if heard.trigger.startswith("NMD"):  # about nobody: it is kept apart
                    self.server.receiver.tested(heard)
                    self.say(heard.answer("AA"))
                else:
                    self.server.receiver.heard(heard)(self, heard)

    def _received(self) -> bytes:
        try:
            return self.request.recv(65_536)  # type: ignore[no-any-return]
        except OSError:
            return b""

    def say(self, payload: bytes) -> None:
        with suppress(OSError):
            self.request.sendall(framed(payload))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    receiver: LabReceiver

    def handle_error(self, *_: object) -> None:
        """A caller that hung up."""


def accepting(connection: Connection, heard: Heard) -> None:
    connection.server.receiver.takes(heard)
    connection.say(heard.answer("AA"))


def answering(code: str) -> Behaviour:
    return lambda connection, heard: connection.say(heard.answer(code))


def mistaking(connection: Connection, heard: Heard) -> None:
    """Say yes to another message."""
    connection.say(heard.answer("AA", of="0.another"))


def garbling(connection: Connection, heard: Heard) -> None:
    """Answer with what is not HL7, and with HL7 that acknowledges nothing."""
    connection.say(b"HTTP/1.1 200 OK")
    connection.say(b"MSH")
    connection.say(heard.payload)


def mistaking_first(connection: Connection, heard: Heard) -> None:
    """As one that was behind: it answers what was asked before, then this."""
    mistaking(connection, heard)
    accepting(connection, heard)


def hanging(_connection: Connection, _heard: Heard) -> None:
    """Say nothing until the caller hangs up."""


def resetting(connection: Connection, _heard: Heard) -> None:
    connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.request.close()


def closing(connection: Connection, heard: Heard) -> None:
    """Take it, say so, and close: the next one needs another connection."""
    accepting(connection, heard)
    connection.request.shutdown(socket.SHUT_RDWR)


def dripping(connection: Connection, _heard: Heard) -> None:
    """Begin an answer and go on for ever, too slowly for any time limit between two bytes."""
    with suppress(OSError):
        connection.request.sendall(START + b"MSH|")
        connection.request.settimeout(0.01)
        while True:
            connection.request.sendall(b".")
            with suppress(TimeoutError):
                if connection.request.recv(1) == b"":
                    return


def flooding(connection: Connection, _heard: Heard) -> None:
    """An answer without end."""
    with suppress(OSError):
        connection.request.sendall(START + b"MSH|" + b"." * 200_000)


class LabReceiver(Listening[Heard, Behaviour]):
    """A real listener on a port of its own."""

    def __init__(self, behave: Callable[[Heard], Behaviour] | None = None, port: int = 0) -> None:
        server = Server(("127.0.0.1", port), Connection)
        server.receiver = self
        super().__init__(server, behave or (lambda _: accepting))
