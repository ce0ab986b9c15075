"""The event stream of one ward: server-sent events (WHATWG HTML, section 9.2).

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

What was missed, and what comes, is read in pages (``history``) as fast as the listener takes them; a listener that is
slow waits for nobody but itself, and while a page is waited for it hears that we are here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

import structlog

from bus.port import LogError
from wardbridge.api.view import View
from wardbridge.readmodels.board import WardHistory
from wardbridge.readmodels.broadcaster import OpenStream
from wardbridge.readmodels.event_id import EventId
from wardbridge.readmodels.history import GoneError
from wardbridge.readmodels.stream_events import StreamEvent

RETRY_MS: Final = 2_000
LOOK_S: Final = 0.05  # how often a stream that waits for the history looks whether it is there
TOO_OLD: Final = "too-old"
AHEAD: Final = "ahead"
OTHER_LOG: Final = "other-log"
HEARTBEAT: Final = b": still here\n\n"
Sent = Callable[[Sequence[StreamEvent]], None]


class Stream:
    """The events for one listener; ``after`` is the last one that it has, None for none.

    ``on_sent`` is given notices just before they go out.
    """

    def __init__(
        self,
        view: View,
        ward: str,
        after: EventId | None,
        on_sent: Sent = lambda _: None,
        *,
        sees_occupancy: bool = False,
    ) -> None:
        self._sees_occupancy = sees_occupancy
        self._view = view
        self._on_sent = on_sent
        self._hub = view.hub
        self._ward = ward
        self._after = after
        self._last: int | None = None
        self._heartbeat_s = view.heartbeat_s

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Bytes to send, until the listener is cut off or the service ends."""
        async for beat in while_waiting(self._view.why_lists_wait, self._heartbeat_s):
            yield beat
        async for beat in while_waiting(self._may_be_behind(), self._heartbeat_s):
            yield beat
        # No await between the two: what is not in the history by now wakes the listener.
        listener = self._hub.listen(self._ward, sees_occupancy=self._sees_occupancy)
        begins = self._begin()
        try:
            yield f"retry: {RETRY_MS}\n\n".encode() + begins
            async for piece in self._live(listener):
                yield piece
        except LogError as error:  # the listener comes back, by itself
            structlog.get_logger().warning("stream_ended", reason=type(error).__name__)
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

    def _begin(self) -> bytes:
        """Where it goes on from, and what is said if that is not where the listener was."""
        newest = self._newest()
        if self._after is None:
            self._last = newest.sequence or None
        elif reason := _why_not(self._after, self._hub.board.history(self._ward)):
            return self._reset(reason, newest)
        else:
            self._last = self._after.sequence
        return b""

    async def _live(self, listener: OpenStream) -> AsyncIterator[bytes]:
        while not listener.has_ended:
            async for piece in self._unsent(listener):
                yield piece
            try:
                await listener.news(self._heartbeat_s)
            except TimeoutError:
                yield HEARTBEAT

    async def _unsent(self, listener: OpenStream) -> AsyncIterator[bytes]:
        """All that was told by now and that the listener has not, in the order in which it was told."""
        while (history := self._hub.board.history(self._ward)) is not None:
            if self._last is None or self._last + 1 < history.first:
                if self._last is not None:
                    yield self._reset(TOO_OLD, EventId(history.first - 1))
                self._last = history.first - 1
            if besides := listener.due(self._last):
                yield besides
            if self._last >= history.last:
                break
            until = listener.notices_until(history.last)
            async for piece in self._page(history, self._last, until):
                yield piece
            if self._last < history.last:
                await self._view.pages.turns.mine()
        if besides := listener.due(self._newest().sequence):
            yield besides

    async def _page(self, history: WardHistory, last: int, until: int) -> AsyncIterator[bytes]:
        """The next page, and heartbeats while it is waited for."""
        reading = asyncio.ensure_future(self._view.pages.after(history, last, until))
        try:
            while not (await asyncio.wait({reading}, timeout=self._heartbeat_s))[0]:
                yield HEARTBEAT
            page = await reading
        except GoneError:
            yield self._reset(TOO_OLD, self._newest())
            return
        finally:
            reading.cancel()
        self._on_sent(page)
        self._last = page[-1].event_id.sequence
        yield b"".join(kept.event for kept in page)

    def _reset(self, reason: str, newest: EventId) -> bytes:
        self._last = newest.sequence
        data = json.dumps({"ward": self._ward, "reason": reason, "sequence": newest.sequence})
        return f"id: {newest}\nevent: reset\ndata: {data}\n\n".encode()


async def while_waiting(
    must_wait: Callable[[], Awaitable[object]], heartbeat_s: float
) -> AsyncIterator[bytes]:
    """Heartbeats for as long as something must be waited for."""
    silent_s = 0.0
    while await must_wait():
        await asyncio.sleep(LOOK_S)
        silent_s += LOOK_S
        if silent_s >= heartbeat_s:
            yield HEARTBEAT
            silent_s = 0.0


async def while_allowed(
    events: AsyncGenerator[bytes, None], until: datetime | None, now: Callable[[], datetime]
) -> AsyncIterator[bytes]:
    """The events until a right ends; heartbeats too make sure that it is looked at."""
    async with aclosing(events) as pieces:
        async for piece in pieces:
            if until is not None and now() >= until:
                return
            yield piece


def _why_not(after: EventId, history: WardHistory | None) -> str | None:
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
