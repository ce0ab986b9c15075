"""A plain MLLP sender over a blocking socket: persistent, pipelining if asked."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Self

START, END = b"\x0b", b"\x1c\r"
TIMEOUT_S = 20.0


def framed(message: bytes) -> bytes:
    return START + message + END


class MllpClient:
    """One connection. Raises OSError or EOFError when the peer goes away."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT_S)
        self._buffer = b""

    def send(self, *messages: bytes) -> None:
        self._socket.sendall(b"".join(framed(message) for message in messages))

    def receive(self) -> bytes:
        """The next answer's payload."""
        while END not in self._buffer:
            piece = self._socket.recv(65536)
            if not piece:
                raise EOFError("the peer closed the connection")
            self._buffer += piece
        answer, _, self._buffer = self._buffer.partition(END)
        return answer.removeprefix(START)

    def ask(self, message: bytes) -> bytes:
        self.send(message)
        return self.receive()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def code_of(answer: bytes) -> str:
    """MSA-1 of an acknowledgement."""
    return fields_of(answer, b"MSA")[1].decode()


def control_id_of(answer: bytes) -> str:
    """MSA-2 of an acknowledgement."""
    return fields_of(answer, b"MSA")[2].decode()


def fields_of(message: bytes, segment: bytes) -> Sequence[bytes]:
    for line in message.split(b"\r"):
        if line.startswith(segment + b"|"):
            return line.split(b"|")
    raise ValueError(f"no {segment.decode()} in {message!r}")
