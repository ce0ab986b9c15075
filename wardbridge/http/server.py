"""The HTTP server as a component: uvicorn in the service's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from adapters.common.settings import Tls
from wardbridge.components.base import describe
from wardbridge.http.access.gate import CERTIFICATE

BACKLOG: Final = 512
HIGHEST_PORT: Final = 65_535
CLOSE_WITHIN_S: Final = 3


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the service handles signals


class _Protocol(H11Protocol):
    """Hands on the certificate that a client has shown, which ASGI servers keep to themselves."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        encrypted: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = encrypted and encrypted.getpeercert(binary_form=True)
        if certificate:  # one that no authority of ours vouches for has ended the handshake
            self.app_state = {**self.app_state, CERTIFICATE: certificate}


class HttpServer:
    """Binds at :meth:`start`, so that a port in use is told at once."""

    name = "http"

    def __init__(self, app: FastAPI, host: str, port: int, tls: Tls | None = None) -> None:
        self.host, self.port = host, port
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_Protocol,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=CLOSE_WITHIN_S,
                server_header=False,
                ssl_context_factory=(lambda _config, _default: tls.context()) if tls else None,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self._listening: socket.socket | None = None

    def bound_port(self) -> int:
        """The port that it listens on, also where 0 was asked for."""
        return int(self._listening.getsockname()[1]) if self._listening else 0

    async def start(self) -> None:
        """Listen. Raises OSError where the port or a certificate cannot be had."""
        self._server.config.load()
        self._listening = self._bind()
        self._task = asyncio.create_task(self._server.serve([self._listening]), name=self.name)

    async def stop(self) -> None:
        """Finish the answers in hand."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._listening is not None:
            self._listening.close()

    def blocking(self) -> str | None:
        """Not listening yet."""
        return None if self._server.started else "not listening yet"

    def failure(self) -> str | None:
        """The server ended without being asked to."""
        if self._task is None or not self._task.done() or self._server.should_exit:
            return None
        error = None if self._task.cancelled() else self._task.exception()
        return describe(error) if error else "ended by itself"

    def _bind(self) -> socket.socket:
        if self.port > HIGHEST_PORT:
            raise OSError(f"port {self.port} does not exist: choose a smaller --port-offset")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.host, self.port))
        except OSError as error:
            listening.close()
            raise OSError(f"{self.host} port {self.port}: {error.strerror}") from error
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the socket API
        return listening
