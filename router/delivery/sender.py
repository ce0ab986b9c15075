"""Sends one subscriber its notices: numbered, in order for each ward, each until it is taken.

Theory of operation
-------------------
The subscriber's queue has one order (``router.delivery.fanout``), and its notices are numbered by
it, so that a notice sent again after a crash has the number that it had. A batch is sent with
wards beside one another, but each ward's notices one after another; when all of it has ended,
receipts, the number reached and the position are committed as one. A crash in between repeats the
batch, under the same numbers and ids: at least once, and never out of a ward's order.

A notice that is not taken is tried again (``router.delivery.attempts``) until it is parked, and then
the next ones go out.
An endpoint that says it is gone pauses the subscriber, until another is configured or a person says
that it is there again. What a person asks is carried out between two rounds; the one under way is
broken off for it, and what it had not ended is tried anew.

Reading and committing block, so they have a thread; what is sent is sent in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, wait
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, NamedTuple
from uuid import uuid4

import structlog

from bus.port import (
    Batch,
    Log,
    LogError,
    LogFencedError,
    PositionLostError,
    Record,
    Stored,
    TopicPartition,
)
from router.delivery.attempts import Attempts, Clock, Ended, Figures, Numbered, Terms
from router.delivery.channel import Answer, Channel, Outgoing
from router.delivery.orders import Order, Pause, Resume, Skip
from schemas import topics
from schemas.delivery import Delivery, Outcome, SubscriberState
from schemas.notification import Notification

BATCH_NOTICES: Final = 100
READ_WAIT_S: Final = 0.5  # how long `stop` may have to wait for an idle sender
KEEP_EVERY_S: Final = 1.0  # that the log is told of a batch that is still being sent
PASS_OVER_RECORDS: Final = 1_000  # of others, before a position without an own notice is kept
PASS_OVER_S: Final = (
    3_600.0  # or so long: a quiet subscriber's must not become older than the queue
)
LOG_PAUSE_S: Final = 1.0
SEQUENCE: Final = "sequence"
"""Header of a notice that is sent again by hand: the number that it has."""

TEST_DIGITS: Final = 12
BY_HAND: Final = "paused by hand"
GONE: Final = "the endpoint answered 410 Gone: configure where notices shall go"


class Round(NamedTuple):
    """What has ended, by offset, and whether the endpoint is gone."""

    ended: Mapping[int, Ended]
    gone: bool


class Sender:
    """One subscriber. :meth:`run` belongs in a thread of its own."""

    def __init__(  # noqa: PLR0913, PLR0917 - each a choice of whoever composes
        self,
        log: Log,
        name: str,
        channel: Channel,
        terms: Terms,
        clock: Clock = time.time,
        bell: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.figures = Figures()
        self._log = log
        self._channel = channel
        self._clock = clock
        self._bell = bell
        self._group = f"subscriber.{name}"
        self._state: SubscriberState | None = None
        self._passed_over, self._kept_at_s = 0, clock()
        self._orders: list[Order] = []
        self._skipping: dict[int, str] = {}
        self._at_hand: frozenset[int] = frozenset()
        self._log_trouble: str | None = None
        self._stopping = threading.Event()
        self._sending: Future[bool] | None = None
        self._lock = threading.Lock()
        self._attempts = Attempts(channel, terms, clock, self.figures)

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send until :meth:`stop`. Raises LogFencedError when a newer owner took over."""
        found = False
        while not self._stopping.is_set():
            try:
                found = self._round_from_what_is_kept(loop, 0.0 if found else self._await_news())
            except LogFencedError:
                raise
            except LogError as error:
                self._start_over(str(error))
            except Exception as error:  # noqa: BLE001 - one subscriber's fault is no other's
                self._start_over(_fault(error))

    def _round_from_what_is_kept(self, loop: asyncio.AbstractEventLoop, wait_s: float) -> bool:
        try:
            return self.round(loop, wait_s)
        except PositionLostError:
            self._skip_what_is_lost()
            return True

    def stop(self) -> None:
        """Let :meth:`run` return; what is on its way and not yet taken is sent again later."""
        with self._lock:
            self._stopping.set()
            if self._sending is not None:
                self._sending.cancel()
        if self._bell is not None:
            self._bell.set()

    def ask(self, order: Order) -> str | None:
        """Have an order carried out soon, from any thread; where it cannot be, why."""
        with self._lock:
            if self._state is None:
                return "the log cannot be read now, or another process sends to it"
            if isinstance(order, Skip) and order.sequence not in self._at_hand:
                return f"{order.sequence} is not being tried now"
            self._orders.append(order)
            if self._sending is not None:
                self._sending.cancel()
        if self._bell is not None:
            self._bell.set()
        return None

    async def test(self) -> Answer:
        """Whether the endpoint takes what is about nobody. In the loop that sends."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        return await self._channel.test(f"test-{uuid4().hex[:TEST_DIGITS]}", at)

    async def close(self) -> None:
        """Let go of the endpoint."""
        await self._channel.close()

    def round(self, loop: asyncio.AbstractEventLoop, wait_s: float) -> bool:
        """One batch, to its end; whether there was anything in it. Raises LogError."""
        batch = self._log.read(self._group, [topics.OUTGOING], BATCH_NOTICES, wait_s)
        state = self._state = self._current(batch)
        if self.figures.trouble == self._log_trouble:
            self.figures.trouble = self._log_trouble = None
        if state is None:
            return False
        if self._orders:
            state = self._carry_out(state)
        own = _numbered(batch.records, state)
        if not own:
            self._pass_over(batch)
        elif state.paused is not None:
            self._wait_paused()
        else:
            self._settle(batch, state, own, self._deliver(loop, own))
        return bool(batch.records)

    def _await_news(self) -> float:
        """Wait for the bell; without one, how long the log is to wait for whatever comes."""
        if self._bell is None:
            return READ_WAIT_S
        self._bell.wait(READ_WAIT_S)
        self._bell.clear()
        return 0.0

    # -- the log

    def _current(self, batch: Batch) -> SubscriberState | None:
        """None while another process has this subscriber's partition."""
        partition = self._log.partition_of(topics.SUBSCRIBERS, self.name)
        if partition not in batch.assigned:
            return None
        return self._state or self._restored(partition)

    def _restored(self, partition: int) -> SubscriberState:
        """As last committed."""
        state = SubscriberState(subscriber=self.name)
        for row in self._log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
            if row.key == self.name:
                state = SubscriberState.model_validate_json(row.value or b"")
        if state.endpoint == self._channel.endpoint:
            return state
        paused = None if state.paused == GONE else state.paused
        return state.model_copy(update={"endpoint": self._channel.endpoint, "paused": paused})

    def _carry_out(self, state: SubscriberState) -> SubscriberState:
        """The state that the orders lead to, committed; until then they stay."""
        with self._lock:
            orders = tuple(self._orders)
        paused = state.paused
        for order in orders:
            match order:
                case Pause(reason):
                    paused = f"{BY_HAND}: {reason}"
                case Resume():
                    paused = None
                case Skip(sequence, reason):
                    self._skipping[sequence] = reason
        new = state.model_copy(update={"paused": paused})
        if new != state:
            self._log.commit(self._group, {}, [self._row(new)])
        with self._lock:
            del self._orders[: len(orders)]
        self._state = new
        return new

    def _settle(
        self, batch: Batch, state: SubscriberState, own: Sequence[Numbered], sent: Round
    ) -> None:
        """Commit as far as every notice has ended; the rest of the batch is read again."""
        done = list(takewhile(lambda each: each.stored.offset in sent.ended, own))
        positions = batch.positions
        if len(done) < len(own):
            left = own[len(done)].stored
            positions = {TopicPartition(left.topic, left.partition): left.offset}
        reached = max(each.out.sequence for each in done) if done else 0
        changes: dict[str, object] = {"sequence": max(state.sequence, reached)}
        if sent.gone:
            changes["paused"] = GONE
        new = state.model_copy(update=changes)
        receipts = [self._receipt(each.out, sent.ended[each.stored.offset]) for each in done]
        self._log.commit(self._group, positions, [*receipts, self._row(new)])
        self._state, self._passed_over = new, 0
        for each in done:
            self._skipping.pop(each.out.sequence, None)
        if len(done) < len(own):
            self._log.rewind(self._group)

    def _row(self, state: SubscriberState) -> Record:
        value = state.model_dump_json().encode()
        return Record(topics.SUBSCRIBERS, self.name, self.name, value)

    def _receipt(self, out: Outgoing, ended: Ended) -> Record:
        data, answer = out.notice.data, ended.answer
        receipt = Delivery(
            subscriber=self.name, sequence=out.sequence, event=out.notice.id, kind=data.kind,
            ward=data.ward, visit=data.visit, attempts=ended.attempts, status=answer.status,
            outcome=_outcome(ended), reason=answer.refusal,
            at=datetime.fromtimestamp(self._clock(), UTC),
        )  # fmt: skip
        key = f"{self.name}/{out.sequence}"
        return Record(topics.DELIVERIES, self.name, key, receipt.model_dump_json().encode())

    def _pass_over(self, batch: Batch) -> None:
        """The notices of others: their position is kept now and then, it says nothing new."""
        self._passed_over += len(batch.records)
        is_due = self._clock() - self._kept_at_s >= PASS_OVER_S
        if self._passed_over >= PASS_OVER_RECORDS or (is_due and self._passed_over):
            self._log.commit(self._group, batch.positions, ())
            self._passed_over, self._kept_at_s = 0, self._clock()

    def _skip_what_is_lost(self) -> None:
        """A subscriber that was paused for longer than notices are kept goes on at the oldest.

        A number is left out, so that it sees a gap and reads its lists again.
        """
        at = TopicPartition(topics.OUTGOING, self._log.partition_of(topics.OUTGOING, self.name))
        start = self._log.starts(topics.OUTGOING)[at.partition]
        state = self._restored(at.partition)
        new = state.model_copy(update={"sequence": state.sequence + 1})
        self._log.commit(self._group, {at: start}, [self._row(new)])
        self._log.rewind(self._group)
        self._state = new
        self.figures.lost += 1
        structlog.get_logger().error("notices_lost", subscriber=self.name)

    def _start_over(self, reason: str) -> None:
        self.figures.trouble = self._log_trouble = reason
        self._state = None
        self._log.rewind(self._group)
        self._stopping.wait(LOG_PAUSE_S)

    def _wait_paused(self) -> None:
        self.figures.trouble = self._state.paused if self._state else None
        self._log.rewind(self._group)
        self._stopping.wait(READ_WAIT_S)

    # -- the endpoint

    def _deliver(self, loop: asyncio.AbstractEventLoop, own: Sequence[Numbered]) -> Round:
        """Everything ends, unless stopped, asked for something, or the endpoint is gone."""
        ended: dict[int, Ended] = {}
        with self._lock:
            if self._stopping.is_set() or self._orders:
                return Round(ended, gone=False)
            self._at_hand = frozenset(each.out.sequence for each in own)
            sending = asyncio.run_coroutine_threadsafe(
                self._attempts.send_all(own, self._skipping, ended), loop
            )
            self._sending = sending
        try:
            gone = self._outcome(sending)
        except CancelledError:
            gone = False
        finally:
            sending.cancel()  # where the log failed meanwhile
            with self._lock:
                self._at_hand, self._sending = frozenset(), None
        return Round(dict(ended), gone)  # a copy: a cancelled attempt may still be ending

    def _outcome(self, sending: Future[bool]) -> bool:
        """Wait as long as it takes. Raises LogError when the notices are another's to send now."""
        while not wait([sending], KEEP_EVERY_S).done:
            if not self._log.keep(self._group):
                raise LogError("the notices were given to another process, or are given out anew")
        return sending.result()


def _fault(error: Exception) -> str:
    """A fault of ours as it may be told: its types only, for its text may quote a notice."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    structlog.get_logger().error("sender_failed", error=name)
    return f"{name} in the sender: a fault of this program, please report it"


def _outcome(ended: Ended) -> Outcome:
    if ended.skipped:
        return Outcome.SKIPPED
    return Outcome.PARKED if ended.answer.refusal else Outcome.DELIVERED


def _numbered(records: Sequence[Stored], state: SubscriberState) -> list[Numbered]:
    """The subscriber's own records: each the next number, unless it has one already."""
    own: list[Numbered] = []
    sequence = state.sequence
    for stored in records:
        if stored.key != state.subscriber:
            continue
        again = dict(stored.headers).get(SEQUENCE)
        if again is None:
            sequence += 1
        number = sequence if again is None else int(again)
        notice = Notification.model_validate_json(stored.value or b"")
        own.append(Numbered(stored, Outgoing(number, notice, stored.timestamp_ms / 1000)))
    return own
