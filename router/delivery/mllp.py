"""HL7 v2 out: one message at a time over a connection that is kept, each answered before the next.

Format: MLLP (HL7 Transport Specification, release 1), acknowledged in original mode (HL7 v2.5.1,
section 2.9.2). What MSA-1 of the answer whose MSA-2 is our MSH-10 says:

============  ===================================================
AA, CA        taken
AE, CE        tried again, the receiver may do better
AR, CR        refused for what it is
anything else  no answer, as are answers to other messages: the time limit ends the attempt
============  ===================================================

After an attempt without answer the connection is closed, so that an answer which comes late can
never be credited to another message.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from router.delivery.addresses import address_of
from router.delivery.adt import Style, control_id, message_of, test_message
from router.delivery.channel import Answer, Outgoing

VT: Final = b"\x0b"
FS: Final = b"\x1c"
END: Final = FS + b"\r"
ANSWER_BYTES: Final = 65_536
ENDPOINT_DIGITS: Final = 16

_VERDICTS: Final = {
    "AA": Answer(),
    "CA": Answer(),
    "AE": Answer("answered AE"),
    "CE": Answer("answered CE"),
    "AR": Answer("answered AR", unwanted=True),
    "CR": Answer("answered CR", unwanted=True),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subscriber's messages go, and how."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    timeout_s: float = 10.0
    allow_private: bool = False


class Connection(NamedTuple):
    """One that is open and has nothing under way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Mllp:
    """One subscriber's receiver. The sender gives it one notice at a time."""

    one_at_a_time = True
    keeps_visits = True
    """A plan that is withdrawn at one ward and made at another are two messages about one visit, which
    receivers tell apart by their order."""

    def __init__(self, subscriber: str, endpoint: Endpoint, style: Style) -> None:
        named = f"mllp://{endpoint.host}:{endpoint.port}".encode()
        self.endpoint = hashlib.sha256(named).hexdigest()[:ENDPOINT_DIGITS]
        self._subscriber = subscriber
        self._terms = endpoint
        self._style = style
        self._open: Connection | None = None
        self._alone = asyncio.Lock()

    async def send(self, outgoing: Outgoing) -> Answer:
        """Make one attempt, within the time limit however slowly the other side answers."""
        try:
            message = message_of(self._subscriber, outgoing, self._style)
        except UnicodeEncodeError:
            return Answer(f"it has a letter that {self._style.charset} lacks", unwanted=True)
        return await self._attempt(message, control_id(self._subscriber, outgoing))

    async def test(self, number: str, at: datetime) -> Answer:
        """The same with a message about nobody; whatever is under way is answered first."""
        return await self._attempt(test_message(number, at, self._style), number)

    async def close(self) -> None:
        """Let go of the connection."""
        self._drop()

    async def _attempt(self, message: bytes, number: str) -> Answer:
        async with self._alone:
            try:
                answer = await self._answer(message, number)
            except BaseException:
                self._drop()
                raise
            if isinstance(answer, Answer):
                return answer
            self._drop()
            return Answer(answer)

    async def _answer(self, message: bytes, number: str) -> Answer | str:
        """The answer, or why there is none."""
        try:
            async with asyncio.timeout(self._terms.timeout_s):
                return await self._exchange(message, number)
        except TimeoutError:
            return "no answer within the time limit"
        except asyncio.IncompleteReadError:
            return "the connection was closed before the answer"
        except asyncio.LimitOverrunError:
            return "the answer is too long"
        except OSError as error:
            return f"{type(error).__name__}: {str(error) or 'no more is known'}"

    async def _exchange(self, message: bytes, number: str) -> Answer:
        reader, writer = await self._connection()
        writer.write(VT + message + END)
        await writer.drain()
        while True:
            verdict = verdict_of(await reader.readuntil(FS), number)
            if verdict is not None:
                return verdict

    async def _connection(self) -> Connection:
        """The one that is open, unless its other end has gone meanwhile."""
        if self._open is None or self._open.reader.at_eof() or self._open.writer.is_closing():
            self._drop()
            self._open = await self._connected()
        return self._open

    async def _connected(self) -> Connection:
        to = self._terms
        address = await address_of(to.host, to.port, allow_private=to.allow_private)
        reader, writer = await asyncio.open_connection(
            address,
            to.port,
            limit=ANSWER_BYTES,
            ssl=to.tls,
            server_hostname=to.host if to.tls else None,
        )
        # A connection is idle for hours on a quiet ward; a firewall's silence must show.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return Connection(reader, writer)

    def _drop(self) -> None:
        if self._open is not None:
            self._open.writer.transport.abort()
            self._open = None


def verdict_of(frame: bytes, number: str) -> Answer | None:
    """What an answer says of our message; None where it is none, or another message's."""
    for code, of in _acknowledged(frame):
        if of == number:
            return _VERDICTS.get(code)
    return None


def _acknowledged(frame: bytes) -> Iterator[tuple[str, str]]:
    """MSA-1 and MSA-2. Only codes are looked at, so that any character set will do."""
    text = frame.rpartition(VT)[2].rstrip(FS).decode("latin-1")
    lines = text.replace("\n", "\r").split("\r")
    if not lines[0].startswith("MSH") or len(lines[0]) <= len("MSH"):
        return
    for line in lines[1:]:
        fields = line.split(lines[0][3])
        if fields[0] == "MSA" and len(fields) > 2:  # noqa: PLR2004 - MSA-1 and MSA-2
            yield fields[1].strip(), fields[2].strip()
