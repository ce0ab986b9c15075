"""The MLLP listener of one feed: connections, durability, stalls, drain.

Invariant: a sender is told yes only after everything of its message is durable
(:mod:`adapters.common.store`); when the log fails it is told AE, never AA.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from adapters.common.limits import WRITE_WITHIN_S
from adapters.common.listening import ListeningPort, fitting
from adapters.common.receipt import ReceiptClock
from adapters.common.review import FeedReview
from adapters.common.store import SettledInput, Store
from adapters.hl7v2.connection import AnswerSlot, SenderConnection, too_large
from adapters.hl7v2.errors import Hl7Error, LogUnavailableError
from adapters.hl7v2.figures import ControlIds, ListenerFigures
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import MllpListener
from bus.port import Log, LogError, Record, RecordTooLargeError

DRAIN_S: Final = 10.0
SWEEPS_PER_STALL: Final = 4  # a stalled or idle sender is noticed at most a quarter late


class MllpServer:
    """One feed's port. ``figures`` are safe to read from the loop's thread.

    ``port`` is the one listened on, once started; so many ``ports`` share the files of the process.
    """

    def __init__(
        self,
        normaliser: Hl7Normaliser,
        log: Log,
        listener: MllpListener | None = None,
        review: FeedReview | None = None,
        ports: int = 1,
    ) -> None:
        self.normaliser = normaliser
        self.review = review or FeedReview(normaliser.feed)
        self.listener = listener or MllpListener()
        self.figures = ListenerFigures()
        self.control_ids = ControlIds()
        self.port = self.listener.port
        self._clock = ReceiptClock()
        self._connections: set[SenderConnection] = set()
        self._store = Store(log, self._settle)
        self._ports = ports
        self._listening: ListeningPort | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises OSError (address in use) or TlsFileError."""
        given = self.listener
        self._listening = ListeningPort(
            lambda guest: SenderConnection(self, guest),
            fitting(given.max_connections, self._ports),
            given.max_connections_per_peer,
            given.tls.context() if given.tls else None,
            self.figures.ended,
        )
        self.port = await self._listening.listen(given.host, given.port)
        self._sweep()

    async def drain(self, timeout_s: float = DRAIN_S) -> None:
        """Take nothing more, answer what is on its way, then close; after the time, abort."""
        if self._listening is None:
            return
        self._listening.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            connection.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), timeout_s)
        for connection in tuple(self._connections):
            connection.abort()
        await self._all_gone()

    # connections call these

    def now(self) -> datetime:
        """When an input came, UTC: later than every input before, on whichever connection."""
        return self._clock()

    def opened(self, connection: SenderConnection) -> None:
        """There is one more."""
        self.figures.connections_total += 1
        self._connections.add(connection)
        self.figures.connections = len(self._connections)

    def closed(self, connection: SenderConnection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        self.figures.connections = len(self._connections)
        if not self._connections:
            self._empty.set()

    def store(self, place: AnswerSlot, records: Sequence[Record]) -> None:
        """Make the records durable, then settle the place."""
        self._store.put(place, records)

    # the log

    def _settle(self, settled: Sequence[SettledInput[AnswerSlot]]) -> None:
        touched: dict[SenderConnection, None] = {}
        for place, error in settled:
            place.settle(self._told(error))
            if error is None:
                self.review.note(place.found)
            touched[place.connection] = None
        for connection in touched:
            connection.write_answers()

    def _told(self, error: LogError | None) -> Hl7Error | None:
        match error:
            case None:
                return None
            case RecordTooLargeError():
                self.figures.too_large += 1
                return too_large(self.listener)
            case _:
                self.figures.not_stored += 1
                return LogUnavailableError("nothing was stored: send it again")

    # time

    def _sweep(self) -> None:
        """Disconnect who has kept us waiting for too long; look again later."""
        loop = asyncio.get_running_loop()
        for connection in tuple(self._connections):
            if connection.stalled(loop.time()):
                self.figures.stalled += 1
                connection.end()
            elif connection.is_idle(loop.time()):
                self.figures.ended["idle"] += 1
                connection.end()
            elif connection.is_unread(loop.time()):
                self.figures.ended["unread"] += 1
                connection.abort()
        shortest_s = min(self.listener.stall_s, self.listener.idle_s or WRITE_WITHIN_S)
        self._sweeper = loop.call_later(shortest_s / SWEEPS_PER_STALL, self._sweep)

    async def _all_gone(self) -> None:
        self._empty.clear()
        if self._connections:
            await self._empty.wait()
