"""The HTTP server as a part of the service: uvicorn in the service's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import uvicorn
from fastapi import FastAPI

from adapters.common.limits import (
    HTTP_CONNECTIONS,
    HTTP_CONNECTIONS_OF_ONE_PEER,
    IDLE_S,
    SWEEP_S,
)
from adapters.common.listening import ListeningPort, fitting, no_reasons
from adapters.common.settings import Tls
from wardbridge.net.connection import UNREAD, HttpConnection
from wardbridge.parts.base import describe

HIGHEST_PORT: Final = 65_535
CLOSE_WITHIN_S: Final = 3
LOOPBACK: Final = ("127.0.0.1", "::1")


class ConnectionLimits(NamedTuple):
    """How many connections a port may have, all and from one peer, where ``ports`` share a process.

    ``proxies``: whose word is taken for where a request comes from, addresses or networks.
    """

    connections: int = HTTP_CONNECTIONS
    of_one_peer: int = HTTP_CONNECTIONS_OF_ONE_PEER
    ports: int = 1
    proxies: tuple[str, ...] = LOOPBACK


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the service handles signals


class HttpServer:
    """Binds at :meth:`start`, so that a port in use is told at once.

    ``on_unread`` is told of each answer that nobody takes. The application finds in its state how many
    ``connections`` there are.
    """

    name = "http"

    def __init__(
        self,
        app: FastAPI,
        host: str,
        port: int,
        tls: Tls | None = None,
        terms: ConnectionLimits | None = None,
    ) -> None:
        app.state.connections = self.counts
        self.host, self.port = host, port
        self.on_unread: Callable[[], None] = lambda: None
        self._tls = tls
        self._terms = terms or ConnectionLimits()
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=CLOSE_WITHIN_S,
                timeout_keep_alive=int(IDLE_S),
                server_header=False,
                forwarded_allow_ips=list(self._terms.proxies),
            )
        )
        self._task: asyncio.Task[None] | None = None
        self._listening: ListeningPort | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._bound = 0

    def bound_port(self) -> int:
        """The port that it listens on, also where 0 was asked for."""
        return self._bound

    def connections(self) -> int:
        """How many there are now."""
        return len(self._listening.crowd) if self._listening else 0

    def ended(self) -> Counter[str]:
        """How many connections were refused or ended by us since the start, by why."""
        return self._listening.ended if self._listening else no_reasons()

    def counts(self) -> dict[str, int]:
        """The connections that there are, and those that we ended, as a feed counts them."""
        ended = {f"connections_{why}": number for why, number in self.ended().items()}
        return {"connections": self.connections(), **ended}

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        if self.port > HIGHEST_PORT:
            raise OSError(f"port {self.port} does not exist: choose a smaller --port-offset")
        config = self._server.config
        config.load()
        self._listening = ListeningPort(
            lambda guest: HttpConnection(guest, config, self._server.server_state),
            fitting(self._terms.connections, self._terms.ports),
            self._terms.of_one_peer,
            self._tls.context() if self._tls else None,
        )
        self._bound = await self._listening.listen(self.host, self.port)
        self._task = asyncio.create_task(self._server.serve([]), name=self.name)
        self._sweep()

    async def stop(self) -> None:
        """Finish the answers in hand."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._listening is not None:
            self._listening.close()
            self._listening.send_away_who_waits()
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task])

    def blocking(self) -> str | None:
        """Not listening yet."""
        return None if self._server.started else "not listening yet"

    def failure(self) -> str | None:
        """The server ended without being asked to."""
        if self._task is None or not self._task.done() or self._server.should_exit:
            return None
        error = None if self._task.cancelled() else self._task.exception()
        return describe(error) if error else "ended by itself"

    def _sweep(self) -> None:
        """End what has kept us waiting for too long; look again later."""
        loop, listening = asyncio.get_running_loop(), self._listening
        now = loop.time()
        known = tuple(self._server.server_state.connections)
        for connection in (each for each in known if isinstance(each, HttpConnection)):
            if listening is not None and (why := connection.overdue(now)):
                listening.send_away(connection.guest, why)
                if why == UNREAD:
                    self.on_unread()
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)
