"""Wakes the open streams of a ward when it has a new notice. A slow stream delays no other.

Of notices a listener is only told that there are more: it reads them when it can, in pages. What else is told
waits in its queue, and is bounded. Only the event loop's thread touches it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Final

from wardbridge.readmodels.board import Board
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.log_follower import News
from wardbridge.readmodels.occupancy import Occupancies, Occupancy
from wardbridge.readmodels.readable import Readable

QUEUE_EVENTS: Final = 256
"""Events besides notices that may wait for one listener; with more it is to read the list again anyway."""

ACKNOWLEDGED: Final = "acknowledged"
OCCUPANCY: Final = "occupancy"


class OpenStream:
    """One open stream."""

    def __init__(self, wards: Sequence[str], limit: int, *, sees_occupancy: bool = False) -> None:
        self.wards = wards
        self.sees_occupancy = sees_occupancy
        self.has_ended = False
        self._besides: deque[tuple[int, bytes]] = deque()
        self._limit = limit
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There are more notices."""
        self._news.set()

    def offer(self, event: bytes, after: int) -> bool:
        """Queue something besides notices, told after the one with that sequence.

        False when too much waits, and then it has ended.
        """
        if len(self._besides) >= self._limit:
            self.end()
            return False
        self._besides.append((after, event))
        self._news.set()
        return True

    def end(self) -> None:
        """Nothing more; the listener resumes from what it has."""
        self._besides.clear()
        self.has_ended = True
        self._news.set()

    def due(self, sequence: int) -> bytes:
        """What else was told up to a notice; it waits no longer."""
        found = []
        while self._besides and self._besides[0][0] <= sequence:
            found.append(self._besides.popleft()[1])
        return b"".join(found)

    def notices_until(self, newest: int) -> int:
        """The last notice that was told before what else waits first."""
        return min(newest, self._besides[0][0]) if self._besides else newest

    async def news(self, wait_s: float) -> None:
        """Wait until something is new. Raises TimeoutError."""
        await asyncio.wait_for(self._news.wait(), wait_s)
        self._news.clear()


class Seats:
    """How many streams may be open, of all and of one reader, from the request on until they end."""

    def __init__(self, limit: int, of_one_reader: int) -> None:
        self._limit = limit
        self._of_one_reader = of_one_reader
        self._taken: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._taken.total()

    def take(self, reader: str) -> bool:
        """Whether there is one for the reader, and then it is taken. No name: nobody is asked."""
        if len(self) >= self._limit or (reader and self._taken[reader] >= self._of_one_reader):
            return False
        self._taken[reader] += 1
        return True

    def leave(self, reader: str) -> None:
        """One less."""
        self._taken[reader] -= 1
        if not self._taken[reader]:
            del self._taken[reader]


class Broadcaster:
    """Hands news to the board, then wakes those who listen.

    ``known`` and ``occupancy``: both where somebody may see something of it, else neither.
    """

    def __init__(
        self,
        board: Board,
        limit: int = QUEUE_EVENTS,
        known: Disclosure | None = None,
        occupancy: Occupancies | None = None,
    ) -> None:
        self.board = board
        self.readable = Readable()
        self.known = known
        self.occupancy = occupancy
        self._told: dict[str, Occupancy] = {}
        self.cut_off = 0
        self._limit = limit
        self._listeners: defaultdict[str, set[OpenStream]] = defaultdict(set)
        self._closed = False

    def take(self, news: News) -> None:
        """Rows first: a list is never older than the notices that refer to it."""
        each = self.readable.each
        touched = set(each(self.board.set_row, news.rows))
        if self.known is not None:
            touched |= self.known.take(
                news.encounters, news.patients, news.aliases, readable=self.readable
            )
        for ward in touched & self._listeners.keys():
            self._tell_occupancy(ward)
        new = filter(None, each(self.board.acknowledge, news.acknowledgements))
        for ward in {ward for ward, _ in each(self.board.note, news.notices)}:
            for listener in self._listeners.get(ward, ()):
                listener.wake()
        for said in new:
            self._publish(said.ward, ACKNOWLEDGED, said.model_dump_json().encode())

    def listen(self, *wards: str, sees_occupancy: bool = False) -> OpenStream:
        """Woken by everything that is told to the wards from now on."""
        listener = OpenStream(wards, self._limit, sees_occupancy=sees_occupancy)
        for ward in wards:
            self._listeners[ward].add(listener)
        if self._closed:
            listener.end()
        return listener

    def leave(self, listener: OpenStream) -> None:
        """Publish no more to this one."""
        for ward in listener.wards:
            self._listeners[ward].discard(listener)
            if not self._listeners[ward]:
                del self._listeners[ward]
                self._told.pop(ward, None)  # what changes unheard is told to the next one

    def was_unread(self) -> None:
        """A stream was ended for taking nothing."""
        self.cut_off += 1

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for group in self._listeners.values():
            for listener in group:
                listener.end()

    def listeners(self) -> int:
        """How many listen now."""
        return len(set[OpenStream]().union(*self._listeners.values()))

    def _tell_occupancy(self, ward: str) -> None:
        hears = any(listener.sees_occupancy for listener in self._listeners[ward])
        if self.occupancy is None or not hears:
            return
        found = self.occupancy(ward)
        if found.says_otherwise_than(self._told.get(ward)):
            self._told[ward] = found
            self._publish(ward, OCCUPANCY, found.model_dump_json().encode())

    def _publish(self, ward: str, name: str, data: bytes) -> None:
        event = b"event: %b\ndata: %b\n\n" % (name.encode(), data)
        after = self.board.last_id(ward).sequence
        for listener in list(self._listeners.get(ward, ())):
            if name == OCCUPANCY and not listener.sees_occupancy:
                continue
            if not listener.offer(event, after):
                self.cut_off += 1
                self.leave(listener)
