"""HL7 v2 over MLLP: one message at a time over a kept connection, each acknowledged before the next.

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
import socket
import ssl
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from router.delivery.addresses import Policy
from router.delivery.adt import (
    TOLD,
    Charset,
    Pending,
    Style,
    Version,
    control_id,
    message_of,
    test_message,
)
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.channels.kind import (
    CalledSettings,
    ChannelKind,
    Local,
    Opening,
    endpoint_of,
    shown_to,
)
from router.delivery.refusal import CLOSED, PlainPort, reason_of
from router.delivery.refusal_text import of_acknowledgement
from schemas.addresses import check_host, is_loopback
from schemas.door import ENCRYPTED, PLAIN, Door, OpenDoor, address_of
from schemas.fields import Level
from schemas.notification import Kind

VT: Final = b"\x0b"
FS: Final = b"\x1c"
END: Final = FS + b"\r"
ANSWER_BYTES: Final = 65_536
"""Of an acknowledgement: real ones have some hundred. A longer one is none, and its connection ends."""

_VERDICTS: Final = {
    "AA": AttemptResult(),
    "CA": AttemptResult(),
    "AE": AttemptResult("answered AE"),
    "CE": AttemptResult("answered CE"),
    "AR": AttemptResult("answered AR", unwanted=True),
    "CR": AttemptResult("answered CR", unwanted=True),
}


def _is_ascii_name(name: str) -> str:
    if not (name.isascii() and name.isprintable()):
        raise ValueError("a name in MSH has plain letters, digits and signs")
    return name


MshName = Annotated[str, AfterValidator(_is_ascii_name), Field(max_length=180)]


class MllpAsked(CalledSettings):
    """A receiver of HL7 v2, as it may be asked for."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"host", "port"})

    host: str = Field(min_length=1, description="name or address of the receiver")
    port: int = Field(ge=1, le=65_535, description="its port")
    tls: bool = Field(default=True, description="without it everybody on the way reads along")
    pending: Pending = Field(
        "admission", description="what a notice is told as: A14 and A27, or `transfer`: A15 and A26"
    )
    sending_application: MshName = Field("WARDBRIDGE", description="MSH-3")
    sending_facility: MshName = Field("", description="MSH-4")
    receiving_application: MshName = Field("", description="MSH-5")
    receiving_facility: MshName = Field("", description="MSH-6")
    processing_id: Literal["P", "T", "D"] = Field(
        "P", description="MSH-11: production, training or debugging"
    )
    version: Version = Field("2.5.1", description="MSH-12")
    charset: Charset = Field("UNICODE UTF-8", description="MSH-18")
    patient_class: MshName = Field(
        "U", description="PV1-2, which a notice does not know: U says unknown"
    )

    def style(self) -> Style:
        """How the receiver wants its messages."""
        return Style(**{name.name: getattr(self, name.name) for name in fields(Style)})

    def told(self, kinds: Sequence[Kind]) -> frozenset[Kind]:
        """There is no pending event for an arrival."""
        return frozenset(kinds) or TOLD

    def check_told(self, kinds: Sequence[Kind], fields: Level) -> None:
        """Names go over no network in the clear."""
        if not TOLD.issuperset(kinds):
            raise ValueError("kinds: there is no pending event for `arrived`; see mllp")
        if self._can_be_read_on_the_way() and fields == "identified":
            raise ValueError("fields: without tls everybody on the way would read who it is")

    def door(self, subscriber: str) -> Door:
        """The receiver's port."""
        del subscriber
        open_to = OpenDoor("tls", "without it everybody on the way reads along: set it to true")
        return Door(
            (), "notices as HL7 v2", "out", address_of(self.host, self.port), shown_to(self),
            ENCRYPTED if self.tls else PLAIN, (open_to,) if self._can_be_read_on_the_way() else (),
        )  # fmt: skip

    def _can_be_read_on_the_way(self) -> bool:
        return not (self.tls or is_loopback(self.host))


class MllpSettings(MllpAsked, Local):  # type: ignore[misc] # pydantic's plugin sees two bases
    """Notices go out as HL7 v2 messages, ADT^A14 and A27 or A15 and A26, over MLLP."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        check_host("host", self.host, allow_private=self.allow_private)
        if self.ca_file and not self.tls:
            raise ValueError("ca_file is of no use without tls")
        return self


class OpenConnection(NamedTuple):
    """One that is open and has nothing under way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Mllp:
    """One subscriber's receiver. The sender gives it one notice at a time."""

    one_at_a_time = True
    keeps_visits = True
    """A plan that is withdrawn at one ward and made at another are two messages about one visit, which
    receivers tell apart by their order."""

    def __init__(
        self, subscriber: str, settings: MllpSettings, tls: ssl.SSLContext | None = None
    ) -> None:
        self.endpoint = endpoint_of(f"mllp://{settings.host}:{settings.port}")
        self._subscriber = subscriber
        self._settings = settings
        self._policy = Policy(settings.allow_private)
        self._tls = tls
        self._plain = None if tls else PlainPort(self._policy, settings.host, settings.port)
        self._style = settings.style()
        self._open: OpenConnection | None = None
        self._alone = asyncio.Lock()

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt, within the time limit however slowly the other side answers."""
        try:
            message = message_of(self._subscriber, outgoing, self._style)
        except UnicodeEncodeError:
            return AttemptResult(f"it has a letter that {self._style.charset} lacks", unwanted=True)
        return await self._attempt(message, control_id(self._subscriber, outgoing))

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """The same with a message about nobody; whatever is under way is answered first."""
        return await self._attempt(test_message(number, at, self._style), number)

    async def close(self) -> None:
        """Let go of the connection."""
        self._drop()

    async def _attempt(self, message: bytes, number: str) -> AttemptResult:
        async with self._alone:
            try:
                answer = await self._answer(message, number)
            except BaseException:
                self._drop()
                raise
            if isinstance(answer, AttemptResult):
                if self._plain is not None:
                    self._plain.answered()
                return answer
            self._drop()
            return AttemptResult(await self._plain.explained(answer) if self._plain else answer)

    async def _answer(self, message: bytes, number: str) -> AttemptResult | str:
        """The answer, or why there is none."""
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._exchange(message, number)
        except TimeoutError:
            return "no answer within the time limit"
        except asyncio.IncompleteReadError:
            return CLOSED
        except asyncio.LimitOverrunError:
            return "its answer is too long"
        except OSError as error:
            return reason_of(error)

    async def _exchange(self, message: bytes, number: str) -> AttemptResult:
        reader, writer = await self._connection()
        writer.write(VT + message + END)
        await writer.drain()
        while True:
            verdict = verdict_of(await reader.readuntil(FS), number)
            if verdict is not None:
                return verdict

    async def _connection(self) -> OpenConnection:
        """The one that is open, unless its other end has gone meanwhile."""
        if self._open is None or self._open.reader.at_eof() or self._open.writer.is_closing():
            self._drop()
            self._open = await self._connected()
        return self._open

    async def _connected(self) -> OpenConnection:
        to, tls = self._settings, self._tls
        connected = await self._policy.connected(to.host, to.port)
        # A connection is idle for hours on a quiet ward; a firewall's silence must show.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        host = to.host if tls else None
        opened = await asyncio.open_connection(
            sock=connected, limit=ANSWER_BYTES, ssl=tls, server_hostname=host
        )
        return OpenConnection(*opened)

    def _drop(self) -> None:
        if self._open is not None:
            self._open.writer.transport.abort()
            self._open = None


def verdict_of(frame: bytes, number: str) -> AttemptResult | None:
    """What an answer says of our message; None where it is none, or another message's."""
    segments = _segments(frame)
    codes = (each[1].strip() for each in segments if _acknowledges(each, number))
    verdict = _VERDICTS.get(next(codes, ""))
    if verdict is None or verdict.refusal is None:
        return verdict
    return verdict._replace(said=of_acknowledgement(segments))


def _acknowledges(segment: Sequence[str], number: str) -> bool:
    """Whether MSA-2 is the number."""
    return segment[0] == "MSA" and len(segment) > 2 and segment[2].strip() == number  # noqa: PLR2004 - MSA-2


def _segments(frame: bytes) -> list[list[str]]:
    """Those after MSH, in fields. Codes and known words are looked for, so that any character set will do."""
    payload = frame.rpartition(VT)[2].rstrip(FS)
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = payload.decode("latin-1")
    lines = text.replace("\n", "\r").split("\r")
    if not lines[0].startswith("MSH") or len(lines[0]) <= len("MSH"):
        return []
    return [line.split(lines[0][3]) for line in lines[1:]]


def _open(settings: MllpSettings, opening: Opening) -> Mllp:
    tls = settings.tls_context(opening.data) if settings.tls else None
    return Mllp(opening.subscriber, settings, tls)


KIND: Final = ChannelKind(
    name="mllp",
    about="HL7 v2 messages over MLLP",
    settings=MllpSettings,
    open=_open,
    asked=MllpAsked,
)
