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
that it is there again; so does one that answers no handshake, where its protocol begins with one, and
one that takes nothing for too long, where the terms say so. What a person asks is carried out between two rounds; the one under way is
broken off for it, and what it had not ended is tried anew.

Reading and committing block, so they have a thread; what is sent is sent in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeVar
from uuid import uuid4

import structlog

from bus.port import (
    Batch,
    Log,
    LogError,
    LogFencedError,
    PositionLostError,
    Record,
    TopicPartition,
)
from router.delivery.attempts import Attempts, Clock, Ended, Figures, Numbered, Terms
from router.delivery.channel import Answer, Channel, Conversing, LookUp, nothing_besides
from router.delivery.courtesies import Courtesies
from router.delivery.errand import Errand
from router.delivery.orders import Order, Pause, Resume, Skip
from router.delivery.queue import group_of, numbered
from router.delivery.receipts import receipt_of
from router.delivery.subscription import MayRead, every_ward
from schemas import topics
from schemas.delivery import SubscriberState

BATCH_NOTICES: Final = 100
READ_WAIT_S: Final = 0.5  # how long `stop` may have to wait for an idle sender
PASS_OVER_RECORDS: Final = 1_000  # of others, before a position without an own notice is kept
PASS_OVER_S: Final = (
    3_600.0  # or so long: a quiet subscriber's must not become older than the queue
)
LOG_PAUSE_S: Final = 1.0
TEST_DIGITS: Final = 12
BY_HAND: Final = "paused by hand"
GONE: Final = "the endpoint answered 410 Gone: configure where notices shall go"
NOT_ALLOWED: Final = "not to be told of this ward any more"
UNGREETED: Final = "no handshake"
NOT_TAKING: Final = "takes nothing"
T = TypeVar("T")


class Round(NamedTuple):
    """What has ended, by offset, and the answer after which nothing more may be sent."""

    ended: Mapping[int, Ended]
    stopped: Answer | None = None


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
        may_read: MayRead = every_ward,
        look_up: LookUp = nothing_besides,
    ) -> None:
        self.name = name
        self._may_read = may_read
        self.figures = Figures()
        self._log = log
        self._channel = channel
        self._clock = clock
        self._bell = bell
        self._group = group_of(name)
        self._state: SubscriberState | None = None
        self._passed_over, self._kept_at_s = 0, clock()
        self._orders: list[Order] = []
        self._skipping: dict[int, str] = {}
        self._at_hand: frozenset[int] = frozenset()
        self._log_trouble: str | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._errand = Errand(lambda: log.keep(self._group))
        self._attempts = Attempts(channel, terms, clock, self.figures, look_up)
        self._courtesies = (
            Courtesies(channel, terms, clock, self.figures)
            if isinstance(channel, Conversing)
            else None
        )

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
        self._stopping.set()
        self._errand.break_off()
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
        self._errand.break_off()
        if self._bell is not None:
            self._bell.set()
        return None

    async def test(self) -> Answer:
        """Whether the endpoint takes what is about nobody. In the loop that sends."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        return await self._channel.test(f"test-{uuid4().hex[:TEST_DIGITS]}", at)

    def leave(self) -> None:
        """Let go of what the log holds for it. Once :meth:`run` has returned, and for good."""
        self._log.leave(self._group)

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
        if self._courtesies and not state.introduced and state.paused is None:
            self._introduce(loop, self._courtesies, state)
            return True
        own = numbered(batch.records, state)
        if not own:
            self._pass_over(batch)
        elif state.paused is not None:
            self._wait_paused()
        else:
            self._settle(batch, state, own, self._deliver(loop, own))
        if self._courtesies:
            self._keep_company(loop, self._courtesies, spoke=bool(own) and state.paused is None)
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
        paused = state.paused if (state.paused or "").startswith(BY_HAND) else None
        changes = {"endpoint": self._channel.endpoint, "paused": paused, "introduced": False}
        return state.model_copy(update=changes)

    def _carry_out(self, state: SubscriberState) -> SubscriberState:
        """The state that the orders lead to, committed; until then they stay."""
        with self._lock:
            orders = tuple(self._orders)
        paused, introduced = state.paused, state.introduced
        for order in orders:
            match order:
                case Pause(reason):
                    paused = f"{BY_HAND}: {reason}"
                case Resume():
                    paused, introduced = None, introduced and paused is None
                case Skip(sequence, reason):
                    self._skipping[sequence] = reason
        new = self._changed(state, paused=paused, introduced=introduced)
        with self._lock:
            del self._orders[: len(orders)]
        return new

    def _changed(self, state: SubscriberState, **changes: object) -> SubscriberState:
        """Another state, committed; no position moves."""
        new = state.model_copy(update=changes)
        if new != state:
            self._log.commit(self._group, {}, [self._row(new)])
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
        if sent.stopped is not None:
            changes["paused"] = _why_paused(sent.stopped, NOT_TAKING)
        new = state.model_copy(update=changes)
        now = datetime.fromtimestamp(self._clock(), UTC)
        ended = [(each.out, sent.ended[each.stored.offset]) for each in done]
        receipts = [receipt_of(self.name, out, how, now) for out, how in ended]
        self._log.commit(self._group, positions, [*receipts, self._row(new)])
        self._state, self._passed_over = new, 0
        self._attempts.settled(done)
        for each in done:
            self._skipping.pop(each.out.sequence, None)
        if len(done) < len(own):
            self._log.rewind(self._group)

    def _row(self, state: SubscriberState) -> Record:
        value = state.model_dump_json().encode()
        return Record(topics.SUBSCRIBERS, self.name, self.name, value)

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
        """Everything ends, unless broken off, or nothing more may be sent to the endpoint."""
        ended: dict[int, Ended] = {}
        for each in own:
            told = each.out.notice.data
            if not self._may_read(told.ward, told.hospital):
                self._skipping[each.out.sequence] = NOT_ALLOWED
        with self._lock:
            self._at_hand = frozenset(each.out.sequence for each in own)
        try:
            stopped = self._in_loop(loop, self._attempts.send_all(own, self._skipping, ended))
        finally:
            with self._lock:
                self._at_hand = frozenset()
        return Round(dict(ended), stopped)  # a copy: a cancelled attempt may still be ending

    def _introduce(
        self, loop: asyncio.AbstractEventLoop, courtesies: Courtesies, state: SubscriberState
    ) -> None:
        """Greet the endpoint; what was read meanwhile is read again."""
        answer = self._in_loop(loop, courtesies.introduce(state.sequence))
        if answer is not None:
            paused = None if answer.refusal is None else _why_paused(answer, UNGREETED)
            self._changed(state, introduced=paused is None, paused=paused)
        self._log.rewind(self._group)

    def _keep_company(
        self, loop: asyncio.AbstractEventLoop, courtesies: Courtesies, *, spoke: bool
    ) -> None:
        """A heartbeat where it is time for one; also to an endpoint that takes nothing else."""
        state = self._state
        if spoke:
            courtesies.said()
        if state is None or (state.paused or "").startswith(BY_HAND) or not courtesies.is_due():
            return
        self._in_loop(loop, courtesies.beat(state.sequence, "error" if state.paused else "active"))

    def _in_loop(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T | None:
        return self._errand.run(loop, work, self._may_begin)

    def _may_begin(self) -> bool:
        return not (self._stopping.is_set() or self._orders)


def _why_paused(answer: Answer, otherwise: str) -> str:
    return GONE if answer.gone else f"{otherwise}: {answer.refusal}"


def _fault(error: Exception) -> str:
    """A fault of ours as it may be told: its types only, for its text may quote a notice."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    structlog.get_logger().error("sender_failed", error=name)
    return f"{name} in the sender: a fault of this program, please report it"
