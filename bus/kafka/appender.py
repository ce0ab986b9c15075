"""Appends outside transactions: idempotent, awaited record by record, told in order.

The brokers acknowledge partition by partition, so a later submission may be whole before an
earlier one; waiters are told in the order of submission all the same. How much may wait is
bounded: brokers that do not answer must not fill the memory, senders are refused instead.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from bus.kafka.errors import translated
from bus.local import OnDone, tell
from bus.port import LogError

APPENDING: Final = "appending"
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
CLOSE_MORE_S: Final = 1.0


class Wire(NamedTuple):
    """A record as the client sends it."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int


class Submission:
    """The records of one call, until all are durable or one is not."""

    __slots__ = ("_left", "error", "on_done", "size")

    def __init__(self, count: int, size: int, on_done: OnDone) -> None:
        self._left = count
        self.size = size
        self.on_done = on_done
        self.error: LogError | None = None

    @property
    def settled(self) -> bool:
        """Whether every record has its answer."""
        return self._left == 0

    def answer(self, error: LogError | None, count: int = 1) -> None:
        """``count`` records have their answer."""
        self._left -= count
        self.error = self.error or error


class Appender:
    """One idempotent producer for all who append."""

    def __init__(
        self, make: Callable[[], KafkaProducer], close_within_s: float,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:  # fmt: skip
        self._producer = make()
        self._close_within_s = close_within_s
        self._max_waiting_bytes = max_waiting_bytes
        self._sending = threading.Lock()  # held while records enter the producer
        self._lock = threading.Lock()  # held while the queue is looked at
        self._queue: deque[Submission] = deque()
        self._waiting_bytes = 0
        self._telling = False
        self._closed = False

    def submit(self, records: Sequence[Wire], size: int, on_done: OnDone) -> None:
        """Send; ``on_done`` is told when all are durable, after those submitted before."""
        submission = Submission(len(records), size, on_done)
        with self._sending:
            self._enter(submission)
            self._send(records, submission)
        self._settle()

    def waiting_bytes(self) -> int:
        """Bytes of records that the brokers have not acknowledged."""
        return self._waiting_bytes

    def close(self) -> None:
        """Finish what was submitted; what cannot be finished in time is told so."""
        with self._sending:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(KafkaError):  # whoever waits is told below
            self._producer.flush(self._close_within_s)
        self._producer.close(CLOSE_MORE_S)
        self._give_up()

    def _enter(self, submission: Submission) -> None:
        with self._lock:
            if self._closed:
                raise LogError("the log is closed")
            if self._waiting_bytes and (
                self._waiting_bytes + submission.size > self._max_waiting_bytes
            ):
                raise LogError("the brokers do not keep up: too much waits to be acknowledged")
            self._waiting_bytes += submission.size
            self._queue.append(submission)

    def _send(self, records: Sequence[Wire], submission: Submission) -> None:
        for sent, record in enumerate(records):
            try:
                future = self._producer.send(*record[:4], partition=record.partition)
            except (KafkaError, OSError, ValueError) as error:
                self._answer(submission, translated(error, APPENDING), len(records) - sent)
                return
            self._follow(future, submission)

    def _follow(self, future: Any, submission: Submission) -> None:  # noqa: ANN401 - untyped
        future.add_callback(lambda _: self._answered(submission, None))
        future.add_errback(lambda error: self._answered(submission, translated(error, APPENDING)))

    def _answered(self, submission: Submission, error: LogError | None) -> None:
        if self._answer(submission, error):
            self._settle()

    def _answer(self, submission: Submission, error: LogError | None, count: int = 1) -> bool:
        with self._lock:
            submission.answer(error, count)
            return submission.settled

    def _settle(self) -> None:
        """Tell all who are next in order and have their answer; one thread at a time."""
        while ready := list(self._ready()):
            for submission in ready:
                tell(submission.on_done, submission.error)
            with self._lock:
                self._telling = False

    def _ready(self) -> Iterator[Submission]:
        with self._lock:
            if self._telling:
                return
            while self._queue and self._queue[0].settled:
                self._telling = True
                self._waiting_bytes -= self._queue[0].size
                yield self._queue.popleft()

    def _give_up(self) -> None:
        with self._lock:
            left = [submission for submission in self._queue if not submission.settled]
            for submission in left:
                submission.answer(LogError("the log was closed before the brokers answered"), 0)
                submission._left = 0  # noqa: SLF001 - nobody answers any more
        self._settle()
