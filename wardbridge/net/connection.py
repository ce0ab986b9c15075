"""One HTTP connection: uvicorn's protocol, with limits on what a peer can cause.

* A head must come within ``REQUEST_WITHIN_S``, a body within ``BODY_WITHIN_S``, however slowly they drip; an answer
  that is not taken for ``WRITE_WITHIN_S`` is given up. (The framework's own time-out begins with the end of the
  first answer, and any byte ends it: uvicorn, pull request 1192.)
* A chunked body is parsed as it is asked for, :data:`PIECES_AT_ONCE` pieces at a time: one read of the socket may hold
  forty thousand chunks of one byte, which nobody else should wait for.
* Of a request that is answered before its body has come the rest is not parsed. It is thrown away for a
  while, so that the peer can read the answer (RFC 9112, section 9.6); then the connection ends.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, Final, cast

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from adapters.common.limits import (
    BODY_WITHIN_S,
    HEAD_BYTES,
    LINGER_BYTES,
    LINGER_S,
    PIECES_AT_ONCE,
    REQUEST_WITHIN_S,
    WRITE_WITHIN_S,
)
from adapters.common.listening import Guest

_CLOSE: Final = (b"connection", b"close")


class ConnectionPhase(Enum):
    """What a connection is at."""

    HEAD = "request"
    BODY = "body"
    IDLE = "idle"
    LINGERING = "lingering"
    ANSWER = "answer"


UNREAD: Final = "unread"
CERTIFICATE: Final = "certificate"
"""In a request's state: its client's certificate, DER."""

WITHIN_S: Final = {
    ConnectionPhase.HEAD: REQUEST_WITHIN_S,
    ConnectionPhase.BODY: BODY_WITHIN_S,
    ConnectionPhase.LINGERING: LINGER_S,
}
"""How long each may last; between two requests the framework's own time-out counts."""


class HeldConnection(h11.Connection):
    """Parses no more pieces of a body than were asked for: then it says that it is paused."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, HEAD_BYTES)
        self._pieces_left = 0

    @property
    def is_held(self) -> bool:
        """Whether pieces may be here that nobody has asked for yet."""
        return self._pieces_left <= 0 and self.their_state is h11.SEND_BODY

    def ask(self) -> None:
        """Some more pieces are wanted."""
        self._pieces_left = PIECES_AT_ONCE

    def next_event(self) -> Any:  # noqa: ANN401 - an event, or one of h11's two signals
        """As h11 has it, but PAUSED where nobody asks."""
        if self.is_held:
            return h11.PAUSED
        event = super().next_event()
        if isinstance(event, h11.Request):
            is_chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
            self._pieces_left = 0 if is_chunked else PIECES_AT_ONCE
        elif isinstance(event, h11.Data):
            self._pieces_left -= 1
        return event


class _Flow(FlowControl):
    """Reads no more from the socket while what is here waits to be asked for."""

    def __init__(self, transport: asyncio.Transport, held: HeldConnection) -> None:
        super().__init__(transport)
        self._held = held

    def resume_reading(self) -> None:
        if not self._held.is_held:
            super().resume_reading()


class _LingeringTransport:
    """The transport; to close it amid a body is to let the peer read the answer first."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.has_unread_body = False
        self.is_lingering = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close; amid a body say that nothing more comes, and go on reading."""
        if not self.has_unread_body or self._transport.is_closing():
            self._transport.close()
            return
        self.is_lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.is_lingering or self._transport.is_closing()


class HttpConnection(H11Protocol):
    """One connection."""

    def __init__(self, guest: Guest, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.guest = guest
        self.conn: HeldConnection = HeldConnection()
        self.app = self._answer
        self._phase = ConnectionPhase.HEAD
        self._since = self.loop.time()
        self._unwritten_since: float | None = None
        self._thrown_away = 0
        self._linger: _LingeringTransport | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer came. Hands on the certificate that it has shown, which ASGI servers keep to themselves."""
        self.guest.connected(transport)
        self._linger = _LingeringTransport(transport)
        super().connection_made(cast("asyncio.Transport", self._linger))
        self.flow = _Flow(transport, self.conn)
        encrypted = transport.get_extra_info("ssl_object")
        certificate = encrypted and encrypted.getpeercert(binary_form=True)
        if certificate:  # one that no authority of ours vouches for has ended the handshake
            self.app_state = {CERTIFICATE: certificate}

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self.guest.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: of a request, or of a body that nobody wants any more."""
        if self._linger is not None and self._linger.is_lingering:
            self._thrown_away += len(data)
            if self._thrown_away > LINGER_BYTES:
                self.guest.send_away()
            return
        if self._phase is ConnectionPhase.IDLE:
            self._is_at(ConnectionPhase.HEAD)
        super().data_received(data)

    def pause_writing(self) -> None:
        """The peer does not take its answer."""
        self._unwritten_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._unwritten_since = None
        super().resume_writing()

    # the framework calls these

    def handle_events(self) -> None:
        """Look at what is here, and at what that means for who waits for whom."""
        super().handle_events()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            is_amid_body = self.conn.their_state is h11.SEND_BODY and not cycle.response_started
            self._is_at(ConnectionPhase.BODY if is_amid_body else ConnectionPhase.ANSWER)

    def on_response_complete(self) -> None:
        """An answer is written; the next request may be here already."""
        is_lingering = self._linger is not None and self._linger.is_lingering
        self._is_at(ConnectionPhase.LINGERING if is_lingering else ConnectionPhase.IDLE)
        super().on_response_complete()

    # the server calls this

    def overdue(self, now: float) -> str | None:
        """What the peer has kept us waiting for too long for."""
        within_s = WITHIN_S.get(self._phase)
        if within_s is not None and now - self._since >= within_s:
            return self._phase.value
        if self._unwritten_since is not None and now - self._unwritten_since >= WRITE_WITHIN_S:
            return UNREAD
        return None

    # how

    def _is_at(self, phase: ConnectionPhase) -> None:
        if phase is self._phase:
            return
        self._phase, self._since = phase, self.loop.time()
        if phase is ConnectionPhase.ANSWER:
            self.guest.works()
        else:
            self.guest.waits()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, which is given no more of a body than it asks for."""

        async def receiving() -> Message:
            if self.conn.is_held:
                self.conn.ask()
                self.handle_events()
            return await receive()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._is_at(ConnectionPhase.ANSWER)
                if self.conn.their_state is h11.SEND_BODY and self._linger is not None:
                    self._linger.has_unread_body = True
                    message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        await self.config.loaded_app(scope, receiving, sending)
