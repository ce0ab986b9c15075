"""Those who listen to a ward. A listener that does not keep up is cut off, and delays nobody.

Only the event loop's thread touches it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from wardbridge.components.tail import News
from wardbridge.fields.known import Known
from wardbridge.http.board import Board
from wardbridge.http.event_id import EventId
from wardbridge.http.occupancy import Occupancies, Occupancy

QUEUE_EVENTS: Final = 256
"""Events that may wait for one listener; who lags further behind connects again and resumes."""

ACKNOWLEDGED: Final = "acknowledged"
OCCUPANCY: Final = "occupancy"


class Event(NamedTuple):
    """A notice as it goes out; without an id something else that is told, under a name."""

    id: EventId | None
    data: bytes
    name: str = ""


class Listener:
    """One open stream. ``None`` in its queue is the end."""

    def __init__(self, ward: str, limit: int, *, sees_occupancy: bool = False) -> None:
        self.ward = ward
        self.sees_occupancy = sees_occupancy
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
    """Hands news to the board, then to those who listen.

    ``known`` and ``occupancy``: both where somebody may see something of it, else neither.
    """

    def __init__(
        self,
        board: Board,
        limit: int = QUEUE_EVENTS,
        known: Known | None = None,
        occupancy: Occupancies | None = None,
    ) -> None:
        self.board = board
        self.known = known
        self.occupancy = occupancy
        self._told: dict[str, Occupancy] = {}
        self.cut_off = 0
        self._limit = limit
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._closed = False

    def take(self, news: News) -> None:
        """Rows first: a list is never older than the notices that refer to it."""
        touched = {self.board.set_row(row) for row in news.rows}
        if self.known is not None:
            touched |= self.known.take(news.encounters, news.patients, news.aliases)
        for ward in touched & self._listeners.keys():
            self._tell_occupancy(ward)
        new = [said for each in news.acknowledgements if (said := self.board.acknowledge(each))]
        for notice in news.notices:
            ward, event_id = self.board.note(notice)
            self._publish(ward, Event(event_id, notice.value or b""))
        for said in new:
            self._publish(said.ward, Event(None, said.model_dump_json().encode(), ACKNOWLEDGED))

    def listen(self, ward: str, *, sees_occupancy: bool = False) -> Listener:
        """Everything published for the ward from now on."""
        listener = Listener(ward, self._limit, sees_occupancy=sees_occupancy)
        self._listeners[ward].add(listener)
        if self._closed:
            listener.end()
        return listener

    def leave(self, listener: Listener) -> None:
        """Publish no more to this one."""
        self._listeners[listener.ward].discard(listener)
        if not self._listeners[listener.ward]:
            del self._listeners[listener.ward]
            self._told.pop(listener.ward, None)  # what changes unheard is told to the next one

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._for_all(Listener.end)

    def listeners(self) -> int:
        """How many listen now."""
        return sum(len(group) for group in self._listeners.values())

    def _tell_occupancy(self, ward: str) -> None:
        hears = any(listener.sees_occupancy for listener in self._listeners[ward])
        if self.occupancy is None or not hears:
            return
        found = self.occupancy(ward)
        if found.says_otherwise_than(self._told.get(ward)):
            self._told[ward] = found
            self._publish(ward, Event(None, found.model_dump_json().encode(), OCCUPANCY))

    def _publish(self, ward: str, event: Event) -> None:
        for listener in list(self._listeners.get(ward, ())):
            if event.name == OCCUPANCY and not listener.sees_occupancy:
                continue
            if not listener.offer(event):
                self.cut_off += 1
                self.leave(listener)

    def _for_all(self, act: Callable[[Listener], None]) -> None:
        for group in self._listeners.values():
            for listener in group:
                act(listener)
