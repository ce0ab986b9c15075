"""Tries to hand notices to one endpoint, each until it is taken, gone, or too old.

Wards go beside one another, each ward's notices one after another; where the channel keeps one order,
all of them do. A notice that is not taken is tried again, at growing random intervals and not before
the endpoint allows, until it is older than the configured time; then it is given up. One that is
refused for itself (the endpoint says so, or takes others meanwhile) is given up much sooner, for
whatever comes after it waits. Nothing here reads or writes the log: whoever asks commits what has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    wait_fixed,
    wait_random_exponential,
)

from bus.port import Stored
from router.delivery.channel import (
    Answer,
    Channel,
    LookUp,
    NotKnownYetError,
    Outgoing,
    nothing_besides,
)
from schemas.fields import LEVELS, Beside, Level

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Terms:
    """How hard to try. Times in seconds."""

    give_up_after_s: float = 3 * 86_400.0
    refused_after_s: float = 600.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 300.0
    concurrency: int = 4
    pauses: bool = False
    """Instead of giving a notice up for its age, send nothing more until somebody says so."""
    others_tell: bool = True
    """Whether an endpoint that takes others meanwhile refuses a notice for what it is."""


@dataclass(slots=True)
class Figures:
    """What health and metrics are told; nothing in it is of a patient. Counts since the start."""

    delivered: int = 0
    parked: int = 0
    skipped: int = 0
    lost: int = 0
    """How often notices may have gone unsent, because they were kept no longer."""
    refused_attempts: int = 0
    last_delivered_at: datetime | None = None
    trouble: str | None = None
    """Why the notice at hand is not taken, or nothing is sent."""


class Numbered(NamedTuple):
    """A record of the queue, and the notice in it."""

    stored: Stored
    out: Outgoing


class Ended(NamedTuple):
    """A notice that needs no more attempts."""

    answer: Answer
    attempts: int
    skipped: bool = False
    fields: Level = "minimal"
    """How much the endpoint may have been told of it."""
    stops: bool = False
    """Nothing more may be sent to the endpoint; the notice itself has not ended."""


@dataclass(slots=True)
class Tally:
    """What has been tried of a notice that has not ended, since the service started."""

    attempts: int = 0
    told: set[Level] = field(default_factory=lambda: {"minimal"})
    waited_s: float = 0.0
    """For what is told besides: the endpoint has no part in it."""

    @property
    def fields(self) -> Level:
        """How much the endpoint may have been told of it."""
        return max(self.told, key=LEVELS.index)


class _StoppedError(Exception):
    """Nothing more may be sent to the endpoint."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Attempts:
    """All attempts of one subscriber. In the event loop that sends."""

    def __init__(
        self,
        channel: Channel,
        terms: Terms,
        clock: Clock,
        figures: Figures,
        look_up: LookUp = nothing_besides,
    ) -> None:
        self._channel = channel
        self._look_up = look_up
        self._terms = terms
        self._clock = clock
        self._figures = figures
        self._slots = asyncio.Semaphore(terms.concurrency)
        self._tallies: dict[int, Tally] = {}

    async def send_all(
        self, own: Sequence[Numbered], skipping: Mapping[int, str], ended: dict[int, Ended]
    ) -> Answer | None:
        """The answer that has us send nothing more; what has ended, by offset, is put into ``ended``.

        ``skipping``: the numbers that a person wants given up, and why.
        """
        lanes: dict[str, list[Numbered]] = {}
        for each in own:
            lane = "" if self._channel.in_order else each.out.notice.subject
            lanes.setdefault(lane, []).append(each)
        stopped = None
        try:
            async with asyncio.TaskGroup() as group:
                for queue in lanes.values():
                    group.create_task(self._send_in_order(queue, skipping, ended))
        except* _StoppedError as errors:
            stopped = _first(errors).answer
        return stopped

    async def _send_in_order(
        self, queue: Sequence[Numbered], skipping: Mapping[int, str], ended: dict[int, Ended]
    ) -> None:
        for stored, out in queue:
            tally = self._tallies.setdefault(out.sequence, Tally())
            if reason := skipping.get(out.sequence):
                ended[stored.offset] = Ended(
                    Answer(reason), tally.attempts, skipped=True, fields=tally.fields
                )
                self._figures.skipped += 1
                continue
            result = await self._send(out, tally)
            if result.stops:
                raise _StoppedError(result.answer)
            ended[stored.offset] = result

    def settled(self, done: Iterable[Numbered]) -> None:
        """These have ended and are kept as such: nothing more is remembered of them."""
        for each in done:
            self._tallies.pop(each.out.sequence, None)

    async def _send(self, out: Outgoing, tally: Tally) -> Ended:
        """Try until it is taken, gone, or too old."""
        grows = wait_random_exponential(self._terms.first_pause_s, self._terms.longest_pause_s)

        def pause(state: RetryCallState) -> float:
            return max(grows(state), _answer_of(state).retry_after_s)

        began_s, taken, waited_s = self._clock(), self._figures.delivered, tally.waited_s

        def tried_since(moment_s: float) -> float:
            return self._clock() - moment_s - (tally.waited_s - waited_s)

        # Who was paused and is told again has notices that are old already.
        age_from_s = began_s if self._terms.pauses else out.queued_at_s

        def is_refused_for_itself(answer: Answer) -> bool:
            others = self._figures.delivered > taken and self._terms.others_tell
            itself = answer.unwanted or others
            return itself and tried_since(began_s) >= self._terms.refused_after_s

        def is_given_up(state: RetryCallState) -> bool:
            is_old = tried_since(age_from_s) >= self._terms.give_up_after_s
            return is_old or is_refused_for_itself(_answer_of(state))

        retrying = AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.refusal is not None and not answer.gone),
            wait=pause,
            stop=is_given_up,
            retry_error_callback=_answer_of,
        )
        answer: Answer = await retrying(self._attempt, out, tally)
        stops = answer.gone or (
            answer.refusal is not None and self._terms.pauses and not is_refused_for_itself(answer)
        )
        if not stops:
            self._count(answer)
        return Ended(answer, tally.attempts, fields=tally.fields, stops=stops)

    async def _attempt(self, out: Outgoing, tally: Tally) -> Answer:
        async with self._slots:
            began_s = self._clock()
            try:
                beside = await self._known(out)
            finally:
                tally.waited_s += self._clock() - began_s
            tally.attempts += 1
            tally.told.add(beside.level)
            answer = await self._channel.send(out._replace(beside=beside))
        if answer.refusal is not None:
            self._figures.refused_attempts += 1
            self._figures.trouble = answer.refusal
        return answer

    async def _known(self, out: Outgoing) -> Beside:
        """What is told besides, waited for: that it is not known yet is no answer of the endpoint's."""
        waiting = AsyncRetrying(
            retry=retry_if_exception_type(NotKnownYetError),
            wait=wait_fixed(self._terms.first_pause_s),
            before_sleep=self._note_waiting,
        )
        beside: Beside = await waiting(self._look_up, out.notice.data)
        return beside

    def _note_waiting(self, state: RetryCallState) -> None:
        self._figures.trouble = str(state.outcome.exception()) if state.outcome else None

    def _count(self, answer: Answer) -> None:
        if answer.refusal is None:
            self._figures.delivered += 1
            self._figures.last_delivered_at = datetime.fromtimestamp(self._clock(), UTC)
            self._figures.trouble = None
        else:
            self._figures.parked += 1


def _first(errors: BaseExceptionGroup[_StoppedError]) -> _StoppedError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _answer_of(state: RetryCallState) -> Answer:
    if state.outcome is None:
        raise RuntimeError("an attempt without an outcome")
    answer: Answer = state.outcome.result()
    return answer
