"""Those who listen to a ward. A listener that does not keep up is cut off, and delays nobody.

Only the event loop's thread touches it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from wardbridge.components.tail import News
from wardbridge.http.board import Board
from wardbridge.http.census import Census
from wardbridge.http.event_id import EventId

QUEUE_EVENTS: Final = 256
"""Events that may wait for one listener; who lags further behind connects again and resumes."""

ACKNOWLEDGED: Final = "acknowledged"


class Event(NamedTuple):
    """A notice as it goes out; without an id something else that is told, under a name."""

    id: EventId | None
    data: bytes
    name: str = ""


class Listener:
    """One open stream. ``None`` in its queue is the end."""

    def __init__(self, ward: str, limit: int) -> None:
        self.ward = ward
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(limit + 1)
        self._limit = limit

    def offer(self, event: Event) -> bool:
        """Queue an event; False when too many wait, and then only the end is left."""
        if self._queue.qsize() >= self._limit:
            self.end()
            return False
        self._queue.put_nowait(event)
        return True

    def end(self) -> None:
        """No more events; what waits is dropped, the listener resumes from what it has."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def next(self, wait_s: float) -> Event | None:
        """The next event, or None at the end. Raises TimeoutError."""
        return await asyncio.wait_for(self._queue.get(), wait_s)


class Hub:
    """Hands news to the board, then to those who listen."""

    def __init__(
        self, board: Board, limit: int = QUEUE_EVENTS, census: Census | None = None
    ) -> None:
        self.board = board
        self.census = census
        self.cut_off = 0
        self._limit = limit
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._closed = False

    def take(self, news: News) -> None:
        """Rows first: a list is never older than the notices that refer to it."""
        for row in news.rows:
            self.board.set_row(row)
        if self.census is not None:
            for encounter in news.encounters:
                self.census.set_row(encounter)
        new = [said for each in news.acknowledgements if (said := self.board.acknowledge(each))]
        for notice in news.notices:
            ward, event_id = self.board.note(notice)
            self._publish(ward, Event(event_id, notice.value or b""))
        for said in new:
            self._publish(said.ward, Event(None, said.model_dump_json().encode(), ACKNOWLEDGED))

    def listen(self, ward: str) -> Listener:
        """Everything published for the ward from now on."""
        listener = Listener(ward, self._limit)
        self._listeners[ward].add(listener)
        if self._closed:
            listener.end()
        return listener

    def leave(self, listener: Listener) -> None:
        """Publish no more to this one."""
        self._listeners[listener.ward].discard(listener)
        if not self._listeners[listener.ward]:
            del self._listeners[listener.ward]

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._for_all(Listener.end)

    def listeners(self) -> int:
        """How many listen now."""
        return sum(len(group) for group in self._listeners.values())

    def _publish(self, ward: str, event: Event) -> None:
        for listener in list(self._listeners.get(ward, ())):
            if not listener.offer(event):
                self.cut_off += 1
                self.leave(listener)

    def _for_all(self, act: Callable[[Listener], None]) -> None:
        for group in self._listeners.values():
            for listener in group:
                act(listener)
