"""Sends one subscriber its open notices. Runs in the event loop; reads and writes no log.

Which notice is tried, and what an answer leads to, is decided in ``router.delivery.lanes``; here it is done. An
error of a channel is an answer like any other: that notice is tried again later, and parked in time.

Before the first notice the endpoint is sent a test notice, once; where its protocol begins with a handshake, that
is repeated until it is answered or ``refused_after_s`` is over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import uuid4

import structlog
from tenacity import AsyncRetrying, retry_if_result, wait_random_exponential

from router.delivery.channel import (
    INCOMPLETE,
    MINIMAL,
    AttemptResult,
    Channel,
    Conversing,
    FieldsBeside,
)
from router.delivery.lanes import EndedDelivery, Lanes, LaneStatus, RetryTerms
from router.delivery.queue import QueuedNotice
from router.delivery.subscriber_account import SubscriberAccount
from router.delivery.subscription import MayRead, every_ward
from schemas.delivery import Tried
from schemas.fields import Beside

Clock = Callable[[], float]

STOP_WITHIN_S: Final = 5.0
"""What is under way when a sender ends is waited for, so that it is not sent again; then it is given up."""
TEST_DIGITS: Final = 12
BY_HAND: Final = "paused by hand"
GONE: Final = "the endpoint answered 410 Gone: configure where notices shall go"
NOT_ALLOWED: Final = "not to be told of this ward any more"
UNGREETED: Final = "no handshake"
NOT_TAKING: Final = "takes nothing"


class Office(Protocol):
    """Who keeps what becomes of notices."""

    def may_begin(self) -> bool:
        """Whether one more notice may end before the next commit."""
        ...

    def note_ended(self, account: SubscriberAccount, ended: EndedDelivery) -> None:
        """A notice has ended: it is kept with the next commit."""
        ...

    def note_changed(self, account: SubscriberAccount) -> None:
        """The row says something else: it is kept with the next commit."""
        ...


@dataclass(slots=True)
class SenderFigures:
    """What health and metrics are told; nothing in it is of a patient. Counts since the start."""

    delivered: int = 0
    parked: int = 0
    skipped: int = 0
    lost: int = 0
    """How many notices went unsent, because they were kept no longer."""
    refused_attempts: int = 0
    incomplete: int = 0
    """How many went out with fewer fields than they may have, because these were not known in time."""
    last_delivered_at: datetime | None = None


class SenderStatus(NamedTuple):
    """What is open, now."""

    waiting: int
    lanes: tuple[LaneStatus, ...]
    trouble: str | None
    tried: Tried | None

    @property
    def refused(self) -> tuple[LaneStatus, ...]:
        """The lanes whose oldest notice was refused, and is tried again."""
        return tuple(each for each in self.lanes if each.last_answer is not None)


class Sender:
    """One subscriber. ``clock`` tells Unix seconds."""

    def __init__(  # noqa: PLR0913 - each a choice of whoever composes
        self,
        name: str,
        channel: Channel,
        terms: RetryTerms,
        *,
        clock: Clock = time.time,
        may_read: MayRead = every_ward,
        fields: FieldsBeside | None = None,
    ) -> None:
        self.name = name
        self.figures = SenderFigures()
        self.account: SubscriberAccount | None = None
        self._channel = channel
        self._terms = terms
        self._clock = clock
        self._may_read = may_read
        self._fields = fields
        self._office: Office | None = None
        self._is_stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._waits: set[asyncio.Task[None]] = set()
        self._introduction: asyncio.Task[None] | None = None
        self._said_at_s = clock()
        self._unanswered: str | None = None

    # -- begin and end

    def begin(self, account: SubscriberAccount, office: Office) -> None:
        """Send what is open for the account, from now on."""
        self.account, self._office, self._is_stopping = account, office, False
        concurrency = 1 if self._channel.one_at_a_time else self._terms.concurrency
        terms = replace(self._terms, concurrency=concurrency)
        account.open_lanes(Lanes(terms, keeps_visits=self._channel.keeps_visits))
        if account.endpoint != self._channel.endpoint:
            account.endpoint, account.introduced, account.tried = (
                self._channel.endpoint,
                False,
                None,
            )
            if not (account.paused or "").startswith(BY_HAND):
                account.paused = None
            office.note_changed(account)
        self.wake()

    async def end(self, within_s: float = STOP_WITHIN_S) -> None:
        """Begin nothing more; wait for what is under way, then give it up. What is open stays so."""
        self._is_stopping = True
        if self._timer is not None:
            self._timer.cancel()
        waits = [*self._waits, *([self._introduction] if self._introduction else [])]
        await _cancelled(waits)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=within_s)
        await _cancelled(list(self._attempts))
        if self.account is not None:
            self.account.close_lanes()
        self.account = None

    async def close(self) -> None:
        """Let go of the endpoint."""
        await self._channel.close()

    # -- what a person asks

    def pause(self, reason: str) -> None:
        """Begin nothing more until :meth:`resume`; notices wait."""
        self._pause(f"{BY_HAND}: {reason}")

    def resume(self) -> None:
        """Send again, whatever paused it; an endpoint that wants a handshake is greeted again."""
        account = self._its_account()
        if account.paused is not None and isinstance(self._channel, Conversing):
            account.introduced = False
        account.paused = None
        if account.lanes is not None:
            account.lanes.resume()
        self._changed()
        self.wake()

    def skip(self, sequence: int, reason: str) -> None:
        """Give up the notice with this number, which is the oldest of its ward. Raises LookupError."""
        lanes = self._its_account().lanes
        ended = lanes.skip(sequence, reason) if lanes is not None else None
        if ended is not None:
            self._note(ended)
        self.wake()

    async def test(self) -> AttemptResult:
        """Whether the endpoint takes what is about nobody."""
        answer = await self._guarded(self._test())
        if self.account is not None:
            self._note_tried(answer)
        return answer

    @property
    def is_sending(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self._attempts)

    def standing(self) -> SenderStatus:
        """How it is; from any thread."""
        account = self.account
        if account is None:
            return SenderStatus(0, (), None, None)
        waiting = account.waiting()
        in_memory = account.lanes
        lanes = tuple(
            each._replace(waiting=waiting.get(each.ward, each.waiting))
            for each in (in_memory.standing() if in_memory is not None else ())
        )
        trouble = self._trouble(account, lanes)
        return SenderStatus(sum(waiting.values()), lanes, trouble, account.tried)

    def _trouble(self, account: SubscriberAccount, lanes: tuple[LaneStatus, ...]) -> str | None:
        refused = [each.last_answer for each in lanes if each.last_answer is not None]
        if account.paused is not None or self._unanswered is not None:
            return account.paused or self._unanswered
        if len(refused) > 1:
            return f"{len(refused)} wards wait: {refused[0]}"
        return refused[0] if refused else None

    # -- at work

    def wake(self) -> None:
        """Begin whatever may begin now."""
        account = self.account
        if self._is_stopping or account is None or account.lanes is None:
            return
        if account.paused is None and not account.introduced:
            self._begin_introduction()
        elif account.paused is None:
            self._begin_attempts(account.lanes)
        self._wait(account.lanes)

    def _begin_attempts(self, lanes: Lanes) -> None:
        office = self._its_office()
        while office.may_begin() and (queued := lanes.start(self._clock())) is not None:
            told = queued.out.notice.data
            if not self._may_read(told.ward, told.hospital):
                self._note(lanes.end_unsent(queued, NOT_ALLOWED))
                continue
            beside = self._known(queued, lanes)
            if beside is None:
                lanes.hold(queued, self._clock())
                self._do(self._await_fields(queued, lanes), self._waits)
            else:
                self._do(self._attempt(queued, beside, lanes), self._attempts)

    def _known(self, queued: QueuedNotice, lanes: Lanes) -> Beside | None:
        if self._fields is None:
            return MINIMAL
        has_waited = lanes.has_waited(queued)
        known = self._fields.now(queued.out.notice.data, has_waited=has_waited)
        if known is None and not lanes.may_wait_s(queued, self._clock()):
            return INCOMPLETE
        return known

    async def _await_fields(self, queued: QueuedNotice, lanes: Lanes) -> None:
        has_waited = False
        if self._fields is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(lanes.may_wait_s(queued, self._clock())):
                    await self._fields.until_known(queued.out.notice.data)
                    has_waited = True
        lanes.let_go(queued, has_waited=has_waited)

    async def _attempt(self, queued: QueuedNotice, beside: Beside, lanes: Lanes) -> None:
        try:
            answer = await self._guarded(self._channel.send(queued.out._replace(beside=beside)))
        except asyncio.CancelledError:
            lanes.broken_off(queued)
            raise
        self._said_at_s = self._clock()
        ended = lanes.answered(queued, answer, self._clock(), beside)
        if answer.refusal is not None:
            self.figures.refused_attempts += 1
        elif beside.incomplete:
            self.figures.incomplete += 1
        if ended is not None:
            self._note(ended)
        if lanes.stopped is not None:
            self._pause(_why_paused(lanes.stopped, NOT_TAKING))

    async def _guarded(self, attempt: Coroutine[Any, Any, AttemptResult]) -> AttemptResult:
        """The answer; an error of the channel is one too."""
        try:
            return await attempt
        except Exception as error:  # noqa: BLE001 - a fault at one notice stops its lane only
            # Its type only: the text may quote a notice.
            name = type(error).__name__
            structlog.get_logger().error("channel_failed", subscriber=self.name, error=name)
            return AttemptResult(
                f"{name} in the channel: a fault of this program, please report it"
            )

    def _note(self, ended: EndedDelivery) -> None:
        figures, office = self.figures, self._its_office()
        if ended.skipped:
            figures.skipped += 1
        elif ended.answer.refusal is not None:
            figures.parked += 1
        else:
            figures.delivered += 1
            figures.last_delivered_at = self._now()
        office.note_ended(self._its_account(), ended)

    # -- before the first notice, and in silence

    def _begin_introduction(self) -> None:
        if self._introduction is None or self._introduction.done():
            self._introduction = asyncio.get_running_loop().create_task(self._introduce())
            self._introduction.add_done_callback(lambda _: self.wake())

    async def _introduce(self) -> None:
        account = self._its_account()
        if isinstance(self._channel, Conversing):
            answer = await self._greet(self._channel, account.sequence)
            account.introduced = answer.refusal is None
            if answer.refusal is not None:
                self._pause(_why_paused(answer, UNGREETED))
        else:
            answer = await self._guarded(self._test())
            account.introduced = True
        self._note_tried(answer)

    async def _greet(self, channel: Conversing, reached: int) -> AttemptResult:
        """Greet until it answers yes, is gone, or has had ``refused_after_s`` for it."""
        began_s = self._clock()

        async def once() -> AttemptResult:
            answer = await self._guarded(channel.handshake(reached))
            self._unanswered = answer.refusal
            self.figures.refused_attempts += answer.refusal is not None
            return answer

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.refusal is not None and not answer.gone),
            wait=wait_random_exponential(self._terms.first_pause_s, self._terms.longest_pause_s),
            stop=lambda _: self._clock() - began_s >= self._terms.refused_after_s,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: AttemptResult = await retrying(once)
        self._unanswered, self._said_at_s = None, self._clock()
        return answer

    def _test(self) -> Coroutine[Any, Any, AttemptResult]:
        return self._channel.test(f"test-{uuid4().hex[:TEST_DIGITS]}", self._now())

    def _note_tried(self, answer: AttemptResult) -> None:
        account = self._its_account()
        account.tried = Tried(at=self._now(), refusal=answer.refusal, status=answer.status)
        self._changed()

    async def _beat(self, channel: Conversing, account: SubscriberAccount) -> None:
        state: Literal["active", "error"] = "error" if account.paused else "active"
        answer = await self._guarded(channel.heartbeat(account.sequence, state))
        self._unanswered = answer.refusal
        self.figures.refused_attempts += answer.refusal is not None

    # -- how

    def _wait(self, lanes: Lanes) -> None:
        """Wake up for the next retry, or the next heartbeat."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = self._clock()
        due = [at_s for at_s in (lanes.wakes_at_s(), self._beat_if_due(now_s)) if at_s is not None]
        if due:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, min(due) - now_s), self.wake)

    def _beat_if_due(self, now_s: float) -> float | None:
        """When the endpoint is to hear from us again; also one that takes nothing else."""
        account, channel = self.account, self._channel
        if account is None or not isinstance(channel, Conversing) or channel.heartbeat_s is None:
            return None
        is_greeted = account.introduced or account.paused is not None
        if not is_greeted or (account.paused or "").startswith(BY_HAND):
            return None
        if now_s - self._said_at_s >= channel.heartbeat_s:
            self._said_at_s = now_s
            self._do(self._beat(channel, account), self._attempts)
        return self._said_at_s + channel.heartbeat_s

    def _pause(self, reason: str) -> None:
        self._its_account().paused = reason
        self._changed()

    def _changed(self) -> None:
        self._its_office().note_changed(self._its_account())

    def _do(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._waits.discard(task)
        self.wake()

    def _its_account(self) -> SubscriberAccount:
        if self.account is None:
            raise LookupError("another process sends to it, or the log cannot be read now")
        return self.account

    def _its_office(self) -> Office:
        if self._office is None:
            raise LookupError("it has not begun")
        return self._office

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _why_paused(answer: AttemptResult, otherwise: str) -> str:
    return GONE if answer.gone else f"{otherwise}: {answer.refusal}"


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
