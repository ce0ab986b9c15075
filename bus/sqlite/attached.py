"""The log for processes that do not write the file: they read it, and the writing process writes for them.

Only one process writes the file. Others of the same installation read it themselves, as any reader
does, and hand what they write to that one over an inherited socket (``bus.sqlite.serving``), which
also tells them at once when something has come. When the writing process is gone, ``on_gone`` is
called: what was handed over may be durable or not, so that a sender should rather lose its connection
than be told no. Then everything that was not answered fails with LogError, and all that comes after.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from bus.local import OnDone, Write, tell
from bus.port import LogError, TopicPartition
from bus.sqlite.reader import SqliteReader
from bus.sqlite.wire import Await, Done, Put, RecordsAvailable
from schemas.topics import TOPICS, Topic


class AttachedLog(SqliteReader):
    """A log for reading and writing beside the process that writes it.

    Raises LogError for a file that it cannot read.
    """

    writable = True

    def __init__(
        self,
        path: Path,
        writer: socket.socket,
        table: Sequence[Topic] = TOPICS,
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(path, table)
        self._on_gone = on_gone
        self._writer = writer
        self._connection = Connection(os.dup(writer.fileno()))
        self._numbers = count()
        self._sending = threading.Lock()
        self._all_answered = threading.Condition()
        self._closing = False
        self._unanswered: dict[int, OnDone] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._thread = threading.Thread(target=self._receive, name="log-answers", daemon=True)
        self._thread.start()

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """See the port; the writing process tells."""
        if self._is_ahead(topics, seen):
            return True
        me = threading.get_ident()
        waiter = self._waiters.setdefault(me, _Waiter())
        here = {self._slots[at]: self._next(seen, at) for at in self._partitions_of(topics)}
        self._send(Await(me, waiter.begin(), here))
        return waiter.woken.wait(wait_s)

    def _enqueue(self, write: Write, on_done: OnDone) -> None:
        entry, number = self._entry(write), next(self._numbers)
        with self._all_answered:
            if self._closing:
                raise LogError("the log is closed")
            self._unanswered[number] = on_done
        try:
            self._send(Put(number, entry))
        except LogError:
            if self._unanswered.pop(number, None) is not None:  # else it was told already
                raise

    def _send(self, request: Put | Await) -> None:
        try:
            with self._sending:
                self._connection.send(request)
        except OSError:
            self._note_gone()
            raise _writer_gone() from None

    def _receive(self) -> None:
        try:
            while True:
                self._take(self._connection.recv())
        except (EOFError, OSError):
            self._note_gone()
            self._give_up()

    def _take(self, answer: Done | RecordsAvailable) -> None:
        match answer:
            case Done(number, error):
                self._answer(number, error)
            case RecordsAvailable(waiter, turn):
                self._waiters[waiter].wake(turn)

    def _answer(self, number: int, error: LogError | None) -> None:
        on_done = self._unanswered.pop(number, None)
        if on_done is not None:
            tell(on_done, error)
        if not self._unanswered:
            with self._all_answered:
                self._all_answered.notify_all()

    def _note_gone(self) -> None:
        if not self._closing:
            self._on_gone()

    def _give_up(self) -> None:
        for number in tuple(self._unanswered):
            self._answer(number, _writer_gone())

    def close(self) -> None:
        """See the port: what was handed over is answered first."""
        with self._all_answered:
            self._closing = True
            self._all_answered.wait_for(lambda: not self._unanswered)
        with suppress(OSError):  # hung up on us already
            self._writer.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()
        self._writer.close()
        super().close()


class _Waiter:
    """One thread that waits, time after time; an answer to an earlier turn wakes nobody."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self._lock = threading.Lock()
        self._turn = 0

    def begin(self) -> int:
        with self._lock:
            self._turn += 1
            self.woken.clear()
            return self._turn

    def wake(self, turn: int) -> None:
        with self._lock:
            if turn == self._turn:
                self.woken.set()


def _writer_gone() -> LogError:
    return LogError("the process that writes the log is gone: this one must end")
