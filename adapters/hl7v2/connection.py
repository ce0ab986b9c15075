"""One MLLP connection: frames in, acknowledgements out in the order of the frames, after the commit.

Theory of operation
-------------------
Each frame takes a place in a queue (:class:`AnswerSlot`) and goes to the log with all that the same turn
of the loop brings, so that a sender which pipelines has many on their way, and the log makes them
durable together. An answer is
written when its place has one and all places before it have been answered: a later message that
is durable sooner waits. Nothing here blocks; the log calls back from its own thread, and the
server carries that into the loop once for as many as have come.

Reading pauses while too much is on its way, or while the sender does not read its answers. A
sender that closes its side is answered to the end (RFC 9293 half-close), then disconnected.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, cast

from adapters.common.feed import Input, records_of
from adapters.common.keys import raw_pointer
from adapters.common.limits import FRAME_WITHIN_S, WRITE_WITHIN_S
from adapters.common.listening import Guest
from adapters.common.outcome import Verdict
from adapters.common.review import NOTHING, FeedReview, Findings
from adapters.hl7v2 import ack
from adapters.hl7v2.errors import Answer, Hl7Error, TooLargeError
from adapters.hl7v2.figures import ControlIds, ListenerFigures
from adapters.hl7v2.framing import CR, FS, VT, Event, Frame, Framer, Garbage, TooLarge
from adapters.hl7v2.header import header_of
from adapters.hl7v2.mapping import FrameReading, Hl7Normaliser, read_frame
from adapters.hl7v2.profile import MllpListener
from adapters.hl7v2.reader import Message
from adapters.hl7v2.statement import named, statement
from bus.port import Record

KEEPALIVE_IDLE_S: Final = 60  # the system's own two hours would fill the port with the dead
NUMBER_CHARS: Final = 20  # MSH-10 has at most 20 characters before v2.7
QUIET_S: Final = 0.3  # how long a sender that writes FS and CR apart may take in between
QUIET_LOOKS: Final = 3
RESUME_SHARE: Final = 2  # reading goes on when half of what may be on its way is answered


class Host(Protocol):
    """What a connection needs of its server."""

    normaliser: Hl7Normaliser
    review: FeedReview
    listener: MllpListener
    figures: ListenerFigures
    control_ids: ControlIds

    def now(self) -> datetime:
        """When an input came, UTC: later than every input before."""
        ...

    def opened(self, connection: SenderConnection) -> None:
        """There is one more."""
        ...

    def closed(self, connection: SenderConnection) -> None:
        """The connection is gone."""
        ...

    def store(self, place: AnswerSlot, records: Sequence[Record]) -> None:
        """Make the place's records durable, then settle it."""
        ...


@dataclass(slots=True, eq=False)
class AnswerSlot:
    """A frame's place in the queue of answers, and what to say when its turn comes."""

    connection: SenderConnection
    size: int
    message: Message | None
    verdict: ack.AckVerdict
    at: datetime
    number: str
    always: bool = False
    found: Findings = NOTHING
    answered: bool = False
    answer: bytes | None = None

    def settle(self, error: Hl7Error | None) -> None:
        """Durable, or not: then the sender is told why, whatever the message said."""
        if error is not None:
            self.verdict = ack.of_error(error)
        self.answer = ack.acknowledgement(
            self.message, self.verdict, self.at, self.number, always=self.always
        )
        self.answered = True


class SenderConnection(asyncio.Protocol):
    """One sender."""

    def __init__(self, host: Host, guest: Guest) -> None:
        self._host = host
        self._guest = guest
        self._framer = Framer(host.listener.max_message_bytes)
        self._places: deque[AnswerSlot] = deque()
        self._bytes = 0
        self._transport: asyncio.Transport | None = None
        self._paused = self._peer_is_slow = self._ending = False
        self._heard_at = self._amid_since = 0.0
        self._unread_since: float | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender came."""
        # uvloop has transports of its own that do not inherit from asyncio's
        self._transport = cast("asyncio.Transport", transport)
        self._guest.connected(self._transport)
        self._host.opened(self)
        self._heard_at = _now()
        _keep_alive(self._transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._ending:
            return
        self._heard_at = _now()
        was_amid = self._framer.mid_frame
        events = self._framer.feed(data)
        if events or not was_amid:  # what is open now has begun with these bytes
            self._amid_since = self._heard_at
        self._take_all(events)
        if self._framer.ends_if_quiet:
            self._look_if_quiet(self._heard_at, QUIET_LOOKS)

    def eof_received(self) -> bool:
        """The sender will send no more; whether to keep our side open."""
        self._take_all(self._framer.finish())
        self._paused = True  # there is nothing left to read
        self.end()
        return self._host.listener.tls is None  # TLS cannot be half-closed

    def pause_writing(self) -> None:
        """The sender does not read its answers."""
        self._peer_is_slow = True
        self._unread_since = _now()
        self._regulate()

    def resume_writing(self) -> None:
        """It does again."""
        self._peer_is_slow = False
        self._unread_since = None
        self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone; what is on its way becomes durable all the same, and is sent again by the sender."""
        del exc
        self._transport = None
        self._guest.left()
        self._host.closed(self)

    # the server calls these

    def write_answers(self) -> None:
        """Write every answer whose turn has come."""
        places, out = self._places, []
        while places and places[0].answered:
            place = places.popleft()
            self._bytes -= place.size
            if place.answer is not None:
                self._host.figures.answers[place.verdict.answer] += 1
                out.append(VT + place.answer + FS + CR)
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
        if out and not places:
            self._guest.waits()
        self._regulate()
        self._close_if_done()

    def end(self) -> None:
        """Take no more, answer what is on its way, then close."""
        self._ending = True
        self._regulate()
        self._close_if_done()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def stalled(self, now: float) -> bool:
        """Whether the sender has kept us waiting for too long for the rest of a frame."""
        amid = self._framer.mid_frame and not self._paused and not self._ending
        is_silent = amid and now - self._heard_at >= self._host.listener.stall_s
        is_endless = amid and now - self._amid_since >= FRAME_WITHIN_S
        return is_silent or is_endless

    def is_unread(self, now: float) -> bool:
        """Whether the sender has taken nothing of its answers for too long."""
        return self._unread_since is not None and now - self._unread_since >= WRITE_WITHIN_S

    def is_idle(self, now: float) -> bool:
        """Whether the sender has been silent for longer than its feed allows between messages."""
        allowed_s = self._host.listener.idle_s
        is_between = not (self._places or self._framer.mid_frame or self._ending)
        return allowed_s is not None and is_between and now - self._heard_at >= allowed_s

    def _look_if_quiet(self, heard_at: float, looks: int) -> None:
        """Take the frame of a sender that leaves out the CR, once it is silent.

        In several looks, since a busy loop may run its timers before it reads what has come. Nothing
        is known of a sender whose bytes are not read: reading again begins anew.
        """
        if heard_at != self._heard_at or self._paused or self._transport is None:
            return
        if looks:
            loop = asyncio.get_running_loop()
            loop.call_later(QUIET_S / QUIET_LOOKS, self._look_if_quiet, heard_at, looks - 1)
        else:
            self._take_all(self._framer.quiet())

    # frames

    def _take_all(self, events: Sequence[Event]) -> None:
        for event in events:
            self._take(event)
        self.write_answers()

    def _take(self, event: Event) -> None:
        match event:
            case Frame(payload):
                self._message(payload)
            case TooLarge(head, size):
                self._refuse(head, size)
            case Garbage(size):
                self._host.figures.noise_bytes += size

    def _message(self, payload: bytes) -> None:
        host, at = self._host, self._host.now()
        host.figures.heard(payload, at)
        reading = read_frame(host.normaliser, payload, at)
        self._note(reading, payload)
        feed, profile = host.normaliser.feed, host.normaliser.profile
        pointer = raw_pointer(payload, at, feed.name)
        taken, outcome = Input(pointer, at), reading.outcome
        found = host.review.findings(
            taken, outcome, lambda: statement(payload), lambda: named(payload)
        )
        records = records_of(feed, taken, payload, outcome, found.records)
        place = AnswerSlot(
            self, len(payload), reading.message or header_of(payload), _verdict(reading, profile.review_answer), at,
            pointer.id[:NUMBER_CHARS], profile.answers == "always", found,
        )  # fmt: skip
        self._add(place)
        host.store(place, records)

    def _note(self, reading: FrameReading, payload: bytes) -> None:
        figures = self._host.figures
        figures.became(reading.outcome)
        control_id = reading.message.header.raw(10) if reading.message else ""
        if control_id and self._host.control_ids.reused(control_id, payload):
            figures.control_ids_reused += 1

    def _refuse(self, head: bytes, size: int) -> None:
        """AR for a message that was never kept."""
        host, at = self._host, self._host.now()
        host.figures.too_large += 1
        host.figures.last_seen = at
        verdict = ack.of_error(too_large(host.listener))
        number = f"R{host.figures.too_large}"
        place = AnswerSlot(self, min(size, len(head)), header_of(head), verdict, at, number)
        place.always = True
        place.settle(None)
        self._add(place)

    def _add(self, place: AnswerSlot) -> None:
        if not self._places:
            self._guest.works()
        self._places.append(place)
        self._bytes += place.size

    # flow

    def _regulate(self) -> None:
        """Pause or resume reading by what is on its way."""
        if self._transport is None or self._transport.is_closing():
            return
        pause = self._ending or self._peer_is_slow or self._too_much_on_its_way()
        if pause != self._paused:
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._heard_at = self._amid_since = _now()
                self._transport.resume_reading()
                if self._framer.ends_if_quiet:
                    self._look_if_quiet(self._heard_at, QUIET_LOOKS)

    def _too_much_on_its_way(self) -> bool:
        limits = self._host.listener
        share = RESUME_SHARE if self._paused else 1
        many = len(self._places) * share > limits.max_unanswered
        return many or self._bytes * share > limits.max_unanswered_bytes

    def _close_if_done(self) -> None:
        if self._ending and not self._places and self._transport is not None:
            self._transport.close()


def _now() -> float:
    """Seconds of the event loop's clock."""
    return asyncio.get_running_loop().time()


def _keep_alive(transport: asyncio.Transport) -> None:
    """Let the system notice a sender that vanished, so that its connection does not stay."""
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)


def too_large(listener: MllpListener) -> TooLargeError:
    """What a sender is told whose message no record can hold."""
    limit = listener.max_message_bytes
    return TooLargeError(f"more than {limit} bytes, or than the log takes of one message")


def _verdict(reading: FrameReading, review_answer: Answer) -> ack.AckVerdict:
    if reading.fault is not None:
        return ack.of_error(reading.fault)
    if reading.outcome.verdict is Verdict.REVIEW:
        return ack.of_review(reading.outcome, review_answer)
    return ack.YES
