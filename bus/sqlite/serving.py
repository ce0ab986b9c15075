"""The writing process as a server: it writes for the other processes of its installation.

Each connection has a thread that takes requests; the writer's thread answers, after the flush. An
answer is a few bytes, and an attached process reads its answers in a thread of its own, so the
writer never waits for one that is busy. When a connection ends, what it had sent is still written.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

from bus.port import LogError
from bus.sqlite.log import SqliteLog
from bus.sqlite.waiters import Waiter
from bus.sqlite.wire import Await, Done, Put, RecordsAvailable
from bus.sqlite.writer import Item


def serve(log: SqliteLog, attached: socket.socket) -> threading.Thread:
    """Serve one attached process until it hangs up."""
    client = _Client(log, Connection(attached.detach()))
    thread = threading.Thread(target=client.run, name="log-server", daemon=True)
    thread.start()
    return thread


class _Client:
    """One attached process, as the writing process sees it."""

    def __init__(self, log: SqliteLog, connection: Connection) -> None:
        self._log = log
        self._connection = connection
        self._sending = threading.Lock()
        self._waiters: set[int] = set()

    def run(self) -> None:
        """Take requests until the connection ends."""
        with suppress(EOFError, OSError):
            while True:
                self._take(self._connection.recv())
        for waiter in self._waiters:
            self._log.waiters.drop((self, waiter))
        self._connection.close()

    def _take(self, request: Put | Await) -> None:
        match request:
            case Put():
                self._put(request)
            case Await():
                self._await(request)

    def _await(self, request: Await) -> None:
        self._waiters.add(request.waiter)
        tell = partial(self._say, RecordsAvailable(request.waiter, request.turn))
        self._log.waiters.add((self, request.waiter), Waiter(request.seen, tell))

    def _put(self, request: Put) -> None:
        on_done = partial(self._done, request.number)
        try:
            self._log.put(Item(request.entry, on_done))
        except LogError as error:  # it is closing
            on_done(error)

    def _done(self, number: int, error: LogError | None) -> None:
        self._say(Done(number, error))

    def _say(self, answer: Done | RecordsAvailable) -> None:
        with suppress(OSError), self._sending:  # it is gone: nobody is left to tell
            self._connection.send(answer)
