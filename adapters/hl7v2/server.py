"""The MLLP listener of one feed: connections, durability, stalls, drain.

Invariant: a sender is told yes only after the log has called back that everything of its message
is durable; when the log fails it is told AE, never AA. The log calls back from a thread of its
own; all completions that have come by then are carried into the loop by one wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Final

from adapters.hl7v2.connection import Connection, Place
from adapters.hl7v2.figures import ControlIds, Figures
from adapters.hl7v2.mapping import Normaliser
from adapters.hl7v2.profile import Listener, Tls
from bus.port import Log, LogError

DRAIN_S: Final = 10.0
SWEEPS_PER_STALL: Final = 4  # a stalled sender is noticed at most a quarter late


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
        self._done: deque[tuple[Place, LogError | None]] = deque()
        self._waking = False
        self._wake_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises OSError (address in use) or ssl.SSLError (unusable certificate)."""
        self._loop = asyncio.get_running_loop()
        tls = None if self.listener.tls is None else tls_context(self.listener.tls)
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

    def stored(self, place: Place, error: LogError | None) -> None:
        """The log is done with a message; called from any thread."""
        self._done.append((place, error))
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
            place, error = self._done.popleft()
            self.figures.not_stored += error is not None
            place.settle(error)
            touched[place.connection] = None
        for connection in touched:
            connection.write_answers()

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


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or later; senders must show a certificate where a client CA is configured."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca_file)
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    if tls.client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
