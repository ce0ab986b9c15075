"""Appends outside transactions: idempotent, each record acknowledged, in order.

The brokers acknowledge partition by partition, so a later submission may be whole before an
earlier one; waiters are told in the order of submission all the same. How much may wait is
bounded: brokers that do not answer must not fill the memory, senders are refused instead.

How long is bounded too, and not by the client: after a batch that was not acknowledged in time it
asks for a new producer id, keeps everything meanwhile without any limit, and was seen never to go
on when that question was lost (a broker stopped and resumed). After a record that a broker refused
for good it fails all that follow, as if they had been refused too. So what is overdue is told so
from here, a client in either state is thrown away and another takes its place as soon as a broker
answers; until then submissions are refused at once. What was told as failed may still turn up in the log, as after any
error: its sender sends it again, and the repetition says nothing new.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import structlog

from bus.kafka.errors import CLIENT_ERRORS, translated
from bus.kafka.producers import AppendingProducer, close_producer, is_broken
from bus.kafka.watchdog import Watchdog
from bus.local import OnDone, tell
from bus.port import LogError

APPENDING: Final = "appending"
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Of records that no broker has answered yet: seventy of the largest; then senders are told that nothing was stored."""

RENEW_EVERY_S: Final = 0.5


class Wire(NamedTuple):
    """A record as the client sends it."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int


class Submission:
    """The records of one call, until all are durable or one is not."""

    __slots__ = ("_left", "error", "on_done", "size", "watch")

    def __init__(self, count: int, size: int, on_done: OnDone, watch: int) -> None:
        self._left = count
        self.size = size
        self.on_done = on_done
        self.watch = watch
        self.error: LogError | None = None

    @property
    def settled(self) -> bool:
        """Whether every record has its answer."""
        return self._left <= 0

    def answer(self, error: LogError | None, count: int = 1) -> None:
        """``count`` records have their answer; what comes after the last one changes nothing."""
        if not self.settled:
            self._left -= count
            self.error = self.error or error

    def give_up(self, error: LogError) -> None:
        """Whatever has no answer will have none."""
        self.answer(error, self._left)


class Appender:
    """One idempotent producer for all who append, and the next one where it fails.

    ``make`` raises LogError when it cannot; ``answer_within_s`` is the longest that anybody waits.
    """

    def __init__(
        self, make: Callable[[], AppendingProducer], answer_within_s: float,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:  # fmt: skip
        self._make = make
        self._producer: AppendingProducer | None = make()
        self._answer_within_s = answer_within_s
        self._max_waiting_bytes = max_waiting_bytes
        self._sending = threading.Lock()  # held while records enter the producer
        self._lock = threading.Lock()  # held while the queue is looked at
        self._queue: deque[Submission] = deque()
        self._waiting_bytes = 0
        self._telling = False
        self._closing = threading.Event()
        self._overdue = Watchdog(answer_within_s, self._renew)

    def submit(self, records: Sequence[Wire], size: int, on_done: OnDone) -> None:
        """Send; ``on_done`` is told when all are durable, after those submitted before.

        Raises LogError at once when the brokers do not answer or do not keep up.
        """
        with self._sending:
            producer = self._working()
            submission = self._entered(len(records), size, on_done)
            with producer.gathering():
                self._send(producer, records, submission)
        self._settle()

    def waiting_bytes(self) -> int:
        """Bytes of records that the brokers have not acknowledged."""
        return self._waiting_bytes

    def close(self) -> None:
        """Finish what was submitted; what cannot be finished in time is told so."""
        with self._sending:
            if self._closing.is_set():
                return
            self._closing.set()
            producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, self._answer_within_s)
        self._give_up(LogError("the log was closed before the brokers answered"))
        self._overdue.close()

    def _working(self) -> AppendingProducer:
        if self._closing.is_set():
            raise LogError("the log is closed")
        if self._producer is not None and is_broken(self._producer):
            self._discard()
            self._overdue.report(APPENDING)
        if self._producer is None:
            raise LogError("the brokers do not answer, or refused what came before")
        return self._producer

    def _discard(self) -> None:
        failed, self._producer = self._producer, None
        if failed is not None:
            close_producer(failed, 0)

    def _entered(self, count: int, size: int, on_done: OnDone) -> Submission:
        with self._lock:
            if self._waiting_bytes and self._waiting_bytes + size > self._max_waiting_bytes:
                raise LogError("the brokers do not keep up: too much waits to be acknowledged")
            submission = Submission(count, size, on_done, self._overdue.begin(APPENDING))
            self._waiting_bytes += size
            self._queue.append(submission)
            return submission

    def _send(
        self, producer: AppendingProducer, records: Sequence[Wire], submission: Submission
    ) -> None:
        for sent, record in enumerate(records):
            try:
                future = producer.send(*record[:4], partition=record.partition)
            except CLIENT_ERRORS as error:
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
                self._overdue.end(self._queue[0].watch)
                yield self._queue.popleft()

    def _renew(self, _: str) -> None:
        """The client must go, and whatever waits for it is told. In the watchdog's thread."""
        structlog.get_logger().error("producer_renewed", waiting_bytes=self._waiting_bytes)
        with self._sending:
            self._discard()
        self._give_up(LogError(f"{APPENDING}: no answer within {self._answer_within_s:g} s"))
        while not self._renewed():
            self._closing.wait(RENEW_EVERY_S)

    def _renewed(self) -> bool:
        """Whether nothing is left to do: a producer is there, or none is needed any more."""
        if self._closing.is_set():
            return True
        try:
            made = self._make()
        except LogError:  # refused submissions say so
            return False
        with self._sending:
            if not self._closing.is_set():
                self._producer = made
                return True
        close_producer(made, 0)
        return True

    def _give_up(self, error: LogError) -> None:
        with self._lock:
            for submission in self._queue:
                submission.give_up(error)
        self._settle()
