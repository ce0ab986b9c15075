"""The router in a process of its own, attached to the log that this process writes.

It shares no interpreter with the listeners, so that neither waits for the other's turn. It works
only as long as this process does: both of its sockets are pairs whose other ends are here, and it
ends when they close, however this process ended. One that ends by itself is started again: all
that it knew is in the log.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Final

import structlog

from bus.port import LogError
from bus.runner import Figures, lag_of
from bus.sqlite import SqliteLog
from bus.sqlite.serving import serve
from router.core.step import RouterStep
from wardbridge.components.base import describe
from wardbridge.config.models import Installation
from wardbridge.routing import GROUP

WORKER: Final = "wardbridge.router_worker"
STOP_WITHIN_S: Final = 10.0  # a batch at hand takes far less
PAUSE_S: Final = 0.5  # before one that ended by itself is started again
LOADING: Final = "the state is being loaded"
ENDED: Final = "the router's process has ended and is started again"
_UNKNOWN: Final = Figures(
    ready=False, records=0, commits=0, failures=0, unreviewed=0, lag=0, last_commit_at=None,
    last_error=None,
)  # fmt: skip


class RouterProcess:
    """Keeps the process running until stopped."""

    name = "router"

    def __init__(self, log: SqliteLog, installation: Installation) -> None:
        self._log = log
        self._installation = installation
        self._said = _UNKNOWN
        self._stopping = threading.Event()
        self._control: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    async def start(self) -> None:
        """Begin; the state is loaded by the process."""
        self._thread.start()

    async def stop(self) -> None:
        """Let it finish the batch in hand."""
        self._stopping.set()
        if self._control is not None:
            with suppress(OSError):  # it has ended
                self._control.send(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, STOP_WITHIN_S)
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._thread.join)

    def blocking(self) -> str | None:
        """The state is being loaded, the log fails, or the process is started again."""
        said = self._said
        if said.ready and said.last_error is None:
            return None
        return said.last_error or LOADING

    def failure(self) -> str | None:
        """It always comes back."""
        return None

    def figures(self) -> Figures:
        """As it said last, with what waits now. Raises LogError when the log is closed."""
        return replace(self._said, lag=lag_of(self._log, GROUP, RouterStep.inputs))

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                exit_code = self._run_one()
            except (OSError, LogError) as error:  # no process to be had now
                structlog.get_logger().error("router_not_started", reason=describe(error))
            else:
                self._note_end(exit_code)
            self._stopping.wait(PAUSE_S)

    def _run_one(self) -> int:
        self._process, self._control = self._started()
        with self._process, self._control:
            with suppress(OSError):
                self._control.send(self._installation)
                if self._stopping.is_set():
                    self._control.send(None)
            with suppress(EOFError, OSError):
                while True:
                    self._said = self._control.recv()
            return self._process.wait()

    def _started(self) -> tuple[subprocess.Popen[bytes], Connection]:
        control, its_control = socket.socketpair()
        writer, its_writer = socket.socketpair()
        with control, its_control, writer, its_writer:
            fds = (its_control.fileno(), its_writer.fileno())
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", WORKER, *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
            )
            serve(self._log, writer)
            return process, Connection(control.detach())

    def _note_end(self, exit_code: int) -> None:
        if not self._stopping.is_set():
            self._said = replace(self._said, ready=False, last_error=ENDED)
            structlog.get_logger().error("router_ended", exit_code=exit_code)
