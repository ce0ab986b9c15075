"""One listener's stream: server-sent events (WHATWG HTML, section 9.2).

Each notice is an event without a name, its ``id`` as in ``event_id``, its ``data`` the CloudEvent.
Whoever comes back with ``Last-Event-ID`` gets every notice after it, then the live ones, without a
gap. Where that cannot be, an event named ``reset`` comes first: its data has the ``ward``, the
``reason`` (``too-old``: the notices between are no longer kept; ``ahead``: this log has never given
that number; ``other-log``: it gave that number to another notice) and the ``sequence`` from which
the stream goes on; read the ward's list again. An event named
``acknowledged`` tells who has taken note, one named ``occupancy`` how many places are free now, to who
may see it; they have no id, so that they are no notices and move no listener's place. A silent stream sends a comment at an interval, also while, after a start, what is
kept is still being read: a number is compared with the newest one only once that is known, and is not
said to be ahead before the log was looked at anew: another process may have given it just now.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from bus.port import PositionLostError, TopicPartition
from wardbridge.http.board import History
from wardbridge.http.event_id import EventId
from wardbridge.http.hub import Event, Listener
from wardbridge.http.view import View

RETRY_MS: Final = 2_000
CHUNK_EVENTS: Final = 200
LOOK_S: Final = 0.05  # how often a stream that waits for the history looks whether it is there
TOO_OLD: Final = "too-old"
AHEAD: Final = "ahead"
OTHER_LOG: Final = "other-log"
_HEARTBEAT: Final = b": still here\n\n"


class _GoneError(Exception):
    """A notice is no longer kept."""


class Stream:
    """The events for one listener; ``after`` is the last one that it has, None for none.

    ``on_sent`` is given each notice just before it goes out.
    """

    def __init__(
        self,
        view: View,
        ward: str,
        after: EventId | None,
        on_sent: Callable[[bytes], None] = lambda _: None,
        *,
        sees_occupancy: bool = False,
    ) -> None:
        self._sees_occupancy = sees_occupancy
        self._view = view
        self._on_sent = on_sent
        self._hub = view.hub
        self._log = view.log
        self._ward = ward
        self._after = after
        self._last = after.sequence if after else None
        self._heartbeat_s = view.heartbeat_s

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Bytes to send, until the listener is cut off or the service ends."""
        async for beat in self._while(self._view.why_lists_wait):
            yield beat
        async for beat in self._while(self._may_be_behind()):
            yield beat
        # No await between the two: what is not in the history by now comes to the listener.
        listener = self._hub.listen(self._ward, sees_occupancy=self._sees_occupancy)
        newest = self._newest()
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            async for piece in self._catch_up(newest):
                yield piece
            async for piece in self._live(listener):
                yield piece
        finally:
            self._hub.leave(listener)

    def _may_be_behind(self) -> Callable[[], Awaitable[bool]]:
        after, goes_on = self._after, self._view.looking_again()

        async def may_be_behind() -> bool:
            is_ahead = after is not None and after.sequence > self._newest().sequence
            return is_ahead and await goes_on()

        return may_be_behind

    def _newest(self) -> EventId:
        return self._hub.board.last_id(self._ward)

    async def _while(self, must_wait: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
        silent_s = 0.0
        while await must_wait():
            await asyncio.sleep(LOOK_S)
            silent_s += LOOK_S
            if silent_s >= self._heartbeat_s:
                yield _HEARTBEAT
                silent_s = 0.0

    async def _catch_up(self, newest: EventId) -> AsyncIterator[bytes]:
        history = self._hub.board.history(self._ward)
        if self._after is None:
            self._last = newest.sequence or None
        elif reason := _why_not(self._after, history):
            yield self._reset(reason, newest)
        elif history is not None:
            missed = history.between(self._after.sequence)[: newest.sequence - self._after.sequence]
            async for piece in self._missed(history.at, missed, newest):
                yield piece

    async def _missed(
        self, at: TopicPartition, missed: Sequence[tuple[int, int]], newest: EventId
    ) -> AsyncIterator[bytes]:
        for start in range(0, len(missed), CHUNK_EVENTS):
            chunk = missed[start : start + CHUNK_EVENTS]
            try:
                found = await asyncio.to_thread(self._read, at, chunk)
            except _GoneError:
                yield self._reset(TOO_OLD, newest)
                return
            for event_id, event in found:
                yield self._sent(event, event_id)

    def _read(
        self, at: TopicPartition, places: Sequence[tuple[int, int]]
    ) -> list[tuple[EventId, Event]]:
        return [self._event(sequence, at, offset) for sequence, offset in places]

    def _event(self, sequence: int, at: TopicPartition, offset: int) -> tuple[EventId, Event]:
        try:
            found = self._log.scan(at, offset, 1)
        except PositionLostError:
            raise _GoneError from None
        if not found or found[0].offset != offset:
            raise _GoneError
        event_id = EventId(sequence, found[0].timestamp_ms)
        return event_id, Event(event_id, found[0].value or b"")

    async def _live(self, listener: Listener) -> AsyncIterator[bytes]:
        while True:
            try:
                event = await listener.next(self._heartbeat_s)
            except TimeoutError:
                yield _HEARTBEAT
                continue
            if event is None:
                return
            if event.id is None:
                yield b"event: %b\ndata: %b\n\n" % (event.name.encode(), event.data)
                continue
            if self._last is not None and event.id.sequence != self._last + 1:
                yield self._reset(TOO_OLD, EventId(event.id.sequence - 1))
            yield self._sent(event, event.id)

    def _sent(self, event: Event, event_id: EventId) -> bytes:
        self._last = event_id.sequence
        self._on_sent(event.data)
        return b"id: %b\ndata: %b\n\n" % (str(event_id).encode(), event.data)

    def _reset(self, reason: str, newest: EventId) -> bytes:
        self._last = newest.sequence
        data = json.dumps({"ward": self._ward, "reason": reason, "sequence": newest.sequence})
        return f"id: {newest}\nevent: reset\ndata: {data}\n\n".encode()


async def while_allowed(
    events: AsyncGenerator[bytes, None], until: datetime | None, now: Callable[[], datetime]
) -> AsyncIterator[bytes]:
    """The events until a right ends; heartbeats too make sure that it is looked at."""
    async with aclosing(events) as pieces:
        async for piece in pieces:
            if until is not None and now() >= until:
                return
            yield piece


def _why_not(after: EventId, history: History | None) -> str | None:
    """Why it cannot go on after this one; None if it can."""
    if history is None:  # nothing is kept; a log that was restored may never have had anything
        return TOO_OLD if after.sequence else None
    if after.sequence > history.last:
        return AHEAD
    if after.sequence < history.first:
        is_next = after.sequence == history.first - 1 and after.taken_ms is None
        return None if is_next else TOO_OLD
    is_other = after.taken_ms not in {None, history.id_of(after.sequence).taken_ms}
    return OTHER_LOG if is_other else None
