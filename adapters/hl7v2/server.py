"""The MLLP listener of one feed: connections, durability, stalls, drain.

Invariant: a sender is told yes only after the log has called back that everything of its message
is durable; when the log fails it is told AE, never AA. What one turn of the loop brings, from all
connections, goes to the log in one call. The log calls back from a thread of its own; all
completions that have come by then are carried into the loop by one wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from adapters.hl7v2.connection import Connection, Place, too_large
from adapters.hl7v2.errors import Hl7Error, LogUnavailableError
from adapters.hl7v2.figures import ControlIds, Figures
from adapters.hl7v2.mapping import Normaliser
from adapters.hl7v2.profile import Listener
from bus.port import Log, LogError, LogFullError, Record, RecordTooLargeError

DRAIN_S: Final = 10.0
SWEEPS_PER_STALL: Final = 4  # a stalled sender is noticed at most a quarter late


class Waiting(NamedTuple):
    """A place, and what is to be durable before it is settled."""

    place: Place
    records: Sequence[Record]


class MllpServer:
    """One feed's port. ``figures`` are safe to read from the loop's thread.

    ``port`` is the one listened on, once started.
    """

    def __init__(self, normaliser: Normaliser, log: Log, listener: Listener | None = None) -> None:
        self.normaliser = normaliser
        self.log = log
        self.listener = listener or Listener()
        self.figures = Figures()
        self.control_ids = ControlIds()
        self.port = self.listener.port
        self._connections: set[Connection] = set()
        self._gathered: list[Waiting] = []
        self._done: deque[tuple[Sequence[Waiting], LogError | None]] = deque()
        self._waking = False
        self._wake_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises OSError (address in use) or ssl.SSLError (unusable certificate)."""
        self._loop = asyncio.get_running_loop()
        tls = self.listener.tls.context() if self.listener.tls else None
        self._server = await self._loop.create_server(
            lambda: Connection(self), self.listener.host, self.listener.port, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweep()

    async def drain(self, timeout_s: float = DRAIN_S) -> None:
        """Take nothing more, answer what is on its way, then close; after the time, abort."""
        if self._server is None:
            return
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            connection.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), timeout_s)
        for connection in tuple(self._connections):
            connection.abort()
        await self._all_gone()
        await self._server.wait_closed()

    # connections call these

    @staticmethod
    def now() -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC)

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        self.figures.connections_total += 1
        if len(self._connections) >= self.listener.max_connections:
            self.figures.connections_refused += 1
            return False
        self._connections.add(connection)
        self.figures.connections = len(self._connections)
        return True

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        self.figures.connections = len(self._connections)
        if not self._connections:
            self._empty.set()

    def store(self, place: Place, records: Sequence[Record]) -> None:
        """Hand the records to the log with all else that this turn of the loop brings."""
        self._gathered.append(Waiting(place, records))
        if len(self._gathered) == 1 and self._loop is not None:
            self._loop.call_soon(self._hand_over)

    # the log

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._submit(gathered)

    def _submit(self, batch: Sequence[Waiting]) -> None:
        records = [record for waiting in batch for record in waiting.records]
        try:
            self.log.submit(records, lambda error: self._stored(batch, error))
        except RecordTooLargeError as error:
            if len(batch) == 1:
                self._stored(batch, error)
            else:
                self._submit_each(batch)
        except LogError as error:
            self._stored(batch, error)

    def _submit_each(self, batch: Sequence[Waiting]) -> None:
        """One message's fault is no other's."""
        for waiting in batch:
            self._submit([waiting])

    def _stored(self, batch: Sequence[Waiting], error: LogError | None) -> None:
        """The log is done with a batch; called from any thread."""
        self._done.append((batch, error))
        with self._wake_lock:
            if self._waking or self._loop is None:
                return
            self._waking = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to answer
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._wake_lock:
            self._waking = False
        touched: dict[Connection, None] = {}
        while self._done:
            batch, error = self._done.popleft()
            if error is not None and len(batch) > 1 and not isinstance(error, LogFullError):
                self._submit_each(batch)
                continue
            for place, _ in batch:
                place.settle(self._told(error))
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
        """Disconnect who is silent amid a frame; look again later."""
        loop = asyncio.get_running_loop()
        for connection in tuple(self._connections):
            if connection.stalled(loop.time(), self.listener.stall_s):
                self.figures.stalled += 1
                connection.end()
        self._sweeper = loop.call_later(self.listener.stall_s / SWEEPS_PER_STALL, self._sweep)

    async def _all_gone(self) -> None:
        self._empty.clear()
        if self._connections:
            await self._empty.wait()
