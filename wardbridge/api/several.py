"""One event stream over several wards: server-sent events (WHATWG HTML, section 9.2).

It is as a ward's own stream (``stream``), but for the id of its events: that is a :class:`StreamPosition`, how far the listener is
in each partition of the log. Wards keep their order, and whoever comes back with ``Last-Event-ID`` gets every notice of
the chosen wards after it, whichever they chose before. Where that cannot be, an event named ``reset`` comes first, with the
``reason`` as there: read the lists of all the wards again.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final, NamedTuple, Self

import structlog

from bus.port import LogError
from schemas import topics
from wardbridge.api.stream import AHEAD, HEARTBEAT, OTHER_LOG, RETRY_MS, TOO_OLD, while_waiting
from wardbridge.api.view import View
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.broadcaster import OpenStream
from wardbridge.readmodels.history import GoneError
from wardbridge.readmodels.stream_events import StreamEvent

PATTERN: Final = (
    r"^(-|[0-9]{1,5}\.[0-9]{1,15}\.[0-9a-f]{1,15}(_[0-9]{1,5}\.[0-9]{1,15}\.[0-9a-f]{1,15})*)$"
)
NOWHERE: Final = "-"
AT_ONCE: Final = 64
"""Notices in one turn: after it others have theirs, so that whoever is far behind delays nobody."""
_ALL: Final = 2**63
Sent = Callable[[str, Sequence[StreamEvent]], None]


class LastTold(NamedTuple):
    """The last notice of a partition that was told, and when the log took it (Unix milliseconds)."""

    offset: int
    taken_ms: int


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """How far a listener is, by partition of topic ``designations``."""

    spots: Mapping[int, LastTold] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = (f"{at}.{s.offset}.{s.taken_ms:x}" for at, s in sorted(self.spots.items()))
        return "_".join(parts) or NOWHERE

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The place in a text of :data:`PATTERN`."""
        parts = [] if text == NOWHERE else [part.split(".") for part in text.split("_")]
        return cls({int(at): LastTold(int(offset), int(ms, 16)) for at, offset, ms in parts})

    @classmethod
    def newest(cls, board: Board) -> Self:
        """Of all that was told to any ward."""
        found: dict[int, LastTold] = {}
        for ward in board.wards():
            history = board.history(ward)
            if history is not None and len(history.offsets):
                spot = LastTold(history.offsets[-1], history.times[-1])
                found[history.at.partition] = max(spot, found.get(history.at.partition, spot))
        return cls(found)

    def offset(self, partition: int) -> int:
        """Before which everything was told; -1: nothing was."""
        spot = self.spots.get(partition)
        return -1 if spot is None else spot.offset

    def after(self, partition: int, spot: LastTold) -> StreamPosition:
        """One notice later."""
        return StreamPosition({**self.spots, partition: spot})


class Due(NamedTuple):
    """A notice that is to be told next. In the order of its partition."""

    partition: int
    offset: int
    sequence: int
    ward: str


class SeveralWards:
    """The events for one listener; ``after`` is where it was, None for now.

    ``on_sent`` is given notices just before they go out.
    """

    def __init__(
        self, view: View, wards: Sequence[str], after: StreamPosition | None, on_sent: Sent
    ) -> None:
        self._view = view
        self._board = view.hub.board
        self._wards = wards
        self._after = after
        self._on_sent = on_sent
        self._place = StreamPosition()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Bytes to send, until the listener is cut off or the service ends."""
        async for beat in while_waiting(self._view.why_lists_wait, self._view.heartbeat_s):
            yield beat
        goes_on = self._view.looking_again()

        async def may_be_behind() -> bool:
            return self._is_ahead() and await goes_on()

        async for beat in while_waiting(may_be_behind, self._view.heartbeat_s):
            yield beat
        listener = None
        try:
            starts = await asyncio.to_thread(self._view.log.starts, topics.DESIGNATIONS)
            # No await between the two: what is not in the histories by now wakes the listener.
            listener = self._view.hub.listen(*self._wards)
            reset = self._begin(starts)
            yield f"retry: {RETRY_MS}\nid: {self._place}\n\n".encode() + reset
            async for piece in self._live(listener):
                yield piece
        except LogError as error:  # the listener comes back, by itself
            structlog.get_logger().warning("stream_ended", reason=type(error).__name__)
        finally:
            if listener is not None:
                self._view.hub.leave(listener)

    def _is_ahead(self) -> bool:
        newest, after = StreamPosition.newest(self._board), self._after or StreamPosition()
        return any(spot.offset > newest.offset(at) for at, spot in after.spots.items())

    def _begin(self, starts: Mapping[int, int]) -> bytes:
        """Where it goes on from, and what is said if that is not where the listener was."""
        if self._after is None:
            self._place = StreamPosition.newest(self._board)
            return b""
        self._place = self._after
        reason = self._why_not(self._after, starts)
        return self._reset(reason) if reason else b""

    def _why_not(self, after: StreamPosition, starts: Mapping[int, int]) -> str | None:
        if any(after.offset(at) + 1 < start for at, start in starts.items()):
            return TOO_OLD
        if self._is_ahead():
            return AHEAD
        is_other = any(self._is_other(at, spot) for at, spot in after.spots.items())
        return OTHER_LOG if is_other else None

    def _is_other(self, partition: int, spot: LastTold) -> bool:
        """Whether the log has another notice where the listener had its last one."""
        for ward in self._board.wards():
            history = self._board.history(ward)
            if history is None or history.at.partition != partition:
                continue
            index = bisect_right(history.offsets, spot.offset) - 1
            if index >= 0 and history.offsets[index] == spot.offset:
                return bool(history.times[index] != spot.taken_ms)
        return False

    async def _live(self, listener: OpenStream) -> AsyncIterator[bytes]:
        while not listener.has_ended:
            while due := nsmallest(AT_ONCE, self._due()):
                yield await self._told(due)
                await self._view.pages.turns.mine()
            if besides := listener.due(_ALL):
                yield besides
            try:
                await listener.news(self._view.heartbeat_s)
            except TimeoutError:
                yield HEARTBEAT

    def _due(self) -> Iterator[Due]:
        """Those of each ward that come next: the first of all are among them."""
        for ward in self._wards:
            history = self._board.history(ward)
            if history is not None:
                partition, offsets = history.at.partition, history.offsets
                begin = bisect_right(offsets, self._place.offset(partition))
                for index in range(begin, min(begin + AT_ONCE, len(offsets))):
                    yield Due(partition, offsets[index], history.first + index, ward)

    async def _told(self, due: Sequence[Due]) -> bytes:
        """Their events, as many as are kept."""
        found: list[bytes] = []
        for each in due:
            history = self._board.history(each.ward)
            try:
                if history is None:
                    raise GoneError  # noqa: TRY301 - told alike
                (kept,) = await self._view.pages.after(history, each.sequence - 1, each.sequence)
            except GoneError:
                return b"".join(found) + self._reset(TOO_OLD)
            self._on_sent(each.ward, [kept])
            spot = LastTold(each.offset, kept.event_id.taken_ms or 0)
            self._place = self._place.after(each.partition, spot)
            found.append(b"id: %b\ndata: %b\n\n" % (str(self._place).encode(), kept.value))
        return b"".join(found)

    def _reset(self, reason: str) -> bytes:
        self._place = StreamPosition.newest(self._board)
        data = json.dumps({"reason": reason})
        return f"id: {self._place}\nevent: reset\ndata: {data}\n\n".encode()
