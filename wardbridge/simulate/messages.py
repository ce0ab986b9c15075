"""A receiver of HL7 messages over plain sockets: it says yes, or misbehaves as it is told to."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from wardbridge.simulate.listening import Listening

START: Final = b"\x0b"
END: Final = b"\x1c\r"
BEFORE_MSH_3: Final = 2
_TRIGGER, _NUMBER = 8, 9
_VISIT, _LOCATION = 19, 42


class ReceivedMessage(NamedTuple):
    """One message as it came."""

    payload: bytes
    connection: int = 0
    """The port that it came from."""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self._field(b"MSH", _NUMBER)

    @property
    def sequence(self) -> int:
        """The notice's number."""
        return int(self.control_id.partition(".")[0])

    @property
    def trigger(self) -> str:
        """MSH-9."""
        return self._field(b"MSH", _TRIGGER)

    @property
    def visit(self) -> str:
        """PV1-19."""
        return self._field(b"PV1", _VISIT).partition("^")[0]

    @property
    def ward(self) -> str:
        """PV1-42."""
        return self._field(b"PV1", _LOCATION).partition("^")[0]

    def answer(self, code: str, of: str | None = None, *segments: str) -> bytes:
        """An acknowledgement, of this message or of another."""
        msh = b"|".join(_fields(self.payload, b"MSH")[:BEFORE_MSH_3])
        control_id = self.control_id if of is None else of
        rest = "\r".join((f"MSA|{code}|{control_id}", *segments))
        return msh + f"|LAB|||||ACK|1|P|2.5.1\r{rest}\r".encode()

    def _field(self, segment: bytes, number: int) -> str:
        return _fields(self.payload, segment)[number].decode()


def _fields(message: bytes, segment: bytes) -> Sequence[bytes]:
    for line in message.split(b"\r"):
        if line.startswith(segment + b"|"):
            return line.split(b"|")
    raise ValueError(f"no {segment.decode()} in it")


Behaviour = Callable[["ReceiverConnection", ReceivedMessage], None]


class ReceiverConnection(socketserver.BaseRequestHandler):
    """One connection; what it does is the receiver's to say."""

    server: MllpReceiverServer

    def handle(self) -> None:
        """Each message as it comes."""
        buffer = b""
        while piece := self._received():
            buffer += piece
            while END in buffer:
                message, _, buffer = buffer.partition(END)
                heard = ReceivedMessage(message.removeprefix(START), self.client_address[1])
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
        """Send a frame; the caller may be gone."""
        with suppress(OSError):
            self.request.sendall(START + payload + END)


class MllpReceiverServer(socketserver.ThreadingTCPServer):
    """Many connections at once."""

    daemon_threads = True
    allow_reuse_address = True
    receiver: LabReceiver

    def handle_error(self, *_: object) -> None:
        """A caller that hung up."""


def accepting(connection: ReceiverConnection, heard: ReceivedMessage) -> None:
    """Take it."""
    connection.server.receiver.takes(heard)
    connection.say(heard.answer("AA"))


def answering(code: str, *segments: str) -> Behaviour:
    """Answer with that code."""
    return lambda connection, heard: connection.say(heard.answer(code, None, *segments))


def mistaking(connection: ReceiverConnection, heard: ReceivedMessage) -> None:
    """Say yes to another message."""
    connection.say(heard.answer("AA", of="0.another"))


def garbling(connection: ReceiverConnection, heard: ReceivedMessage) -> None:
    """Answer with what is not HL7, and with HL7 that acknowledges nothing."""
    connection.say(b"HTTP/1.1 200 OK")
    connection.say(b"MSH")
    connection.say(heard.payload)


def mistaking_first(connection: ReceiverConnection, heard: ReceivedMessage) -> None:
    """As one that was behind: it answers what was asked before, then this."""
    mistaking(connection, heard)
    accepting(connection, heard)


def hanging(_connection: ReceiverConnection, _heard: ReceivedMessage) -> None:
    """Say nothing until the caller hangs up."""


def resetting(connection: ReceiverConnection, _heard: ReceivedMessage) -> None:
    """Close at once with what was sent unanswered."""
    connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.request.close()


def closing(connection: ReceiverConnection, heard: ReceivedMessage) -> None:
    """Take it, say so, and close: the next one needs another connection."""
    accepting(connection, heard)
    connection.request.shutdown(socket.SHUT_RDWR)


def dripping(connection: ReceiverConnection, _heard: ReceivedMessage) -> None:
    """Begin an answer and go on for ever, too slowly for any time limit between two bytes."""
    with suppress(OSError):
        connection.request.sendall(START + b"MSH|")
        connection.request.settimeout(0.01)
        while True:
            connection.request.sendall(b".")
            with suppress(TimeoutError):
                if connection.request.recv(1) == b"":
                    return


def flooding(connection: ReceiverConnection, _heard: ReceivedMessage) -> None:
    """An answer without end."""
    with suppress(OSError):
        connection.request.sendall(START + b"MSH|" + b"." * 200_000)


class LabReceiver(Listening[ReceivedMessage, Behaviour]):
    """A real listener on a port of its own."""

    def __init__(
        self,
        behave: Callable[[ReceivedMessage], Behaviour] | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        server = MllpReceiverServer((host, port), ReceiverConnection)
        server.receiver = self
        super().__init__(server, behave or (lambda _: accepting))
