"""The lanes of one subscriber: which notice may be attempted now, and what a result leads to. No I/O, no clock.

Theory of operation
-------------------
Every open notice lies in the lane of its ward. Only a lane's oldest notice, its *head*, is tried, so that a
ward's order is kept whatever happens; no lane waits for another.

A lane is in one of four states:

==========  =========================================================================================
READY       its head may be tried: the lowest number goes first
TRYING      an attempt is under way
WAITING     its head was refused, and is tried again at ``not_before_s``
HELD        its head waits for something that is not the endpoint: fields to be looked up, or an
            earlier notice of the same visit at another ward (``keeps_visits``)
==========  =========================================================================================

A notice ends when it is taken, when a person skips it, or when it is parked:

* ``give_up_after_s`` after it was queued (not with ``pauses``: there nothing more is tried instead);
* ``refused_after_s`` after its first attempt, where the endpoint refuses this notice and no other: its answer
  says so (``unwanted``), or it has taken others meanwhile (``others_tell``).

Lanes whose last attempt failed share half of the slots, so that receivers that hang at some wards leave room
for the others. When an endpoint takes something after :data:`RELEASE_AFTER` refusals in a row, it was down and
is up again: every lane that waits may be tried at once.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from typing import Final, Literal, NamedTuple

from router.delivery.channel import MINIMAL, AttemptResult, Outgoing
from router.delivery.queue import QueuedNotice
from schemas.base import VisitRef
from schemas.fields import LEVELS, Beside, Level

LANE_NOTICES: Final = 64
"""In memory, of one lane: a burst of one ward. The rest stays in the log."""
REFUSED_LANE_NOTICES: Final = 4
"""The same of a lane whose head is refused: nobody knows for how long."""
SUBSCRIBER_NOTICES: Final = 1_000
"""In memory, of one subscriber: some 3 MB. Beyond it a lane holds one notice."""
RELEASE_AFTER: Final = 5


@dataclass(frozen=True, slots=True)
class RetryTerms:
    """How hard to try. Times in seconds."""

    give_up_after_s: float = 3 * 86_400.0
    refused_after_s: float = 600.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 300.0
    concurrency: int = 4
    pauses: bool = False
    """Instead of parking a notice for its age, try nothing more until a person or the subscriber says so."""
    others_tell: bool = True
    """Whether an endpoint that takes other notices meanwhile refuses a notice for what it is."""
    fields_within_s: float = 10.0
    """How long a notice waits for the fields beside it; then it is sent with the minimal ones."""


class EndedDelivery(NamedTuple):
    """A notice that needs no more attempts."""

    out: Outgoing
    answer: AttemptResult
    attempts: int
    skipped: bool = False
    fields: Level = "minimal"
    """How much the endpoint may have been told of it."""
    incomplete: bool = False
    """Whether it ended with less than may be told, which was not known in time."""


class LaneStatus(NamedTuple):
    """How a lane with open notices is, for people. Times are Unix seconds."""

    ward: str
    sequence: int
    """Of its head: the number that ``skip`` takes."""
    visit: VisitRef
    queued_at_s: float
    attempts: int
    next_attempt_s: float | None
    """None: an attempt is under way, or nothing of the endpoint is waited for."""
    last_answer: str | None
    said: str
    """What the receiver gave as its reason, as far as everybody may read it."""
    state: Literal["ready", "trying", "waiting", "held"]
    """``ready``, ``trying``, ``waiting`` for the next attempt, ``held`` for something that comes first."""
    waiting: int
    """How many notices are open, itself among them."""


class State(Enum):
    """See the module."""

    READY: Final = "ready"
    TRYING: Final = "trying"
    WAITING: Final = "waiting"
    HELD: Final = "held"


@dataclass(slots=True)
class Lane:
    """The open notices of one ward, the oldest first, and what was tried of the oldest."""

    ward: str
    queue: deque[QueuedNotice] = field(default_factory=deque)
    state: State = State.READY
    attempts: int = 0
    failures: int = 0
    """Of the head, since the endpoint was last known to be up."""
    began_s: float = 0.0
    taken_before: int = 0
    """How many notices the subscriber had taken when the head was first tried."""
    not_before_s: float = 0.0
    last_answer: AttemptResult | None = None
    told: Level = "minimal"
    skip: str | None = None
    held_at_s: float | None = None
    """Since when the head has waited for the fields beside it."""
    has_waited: bool = False
    is_incomplete: bool = False
    """The head was last sent without them."""

    @property
    def head(self) -> QueuedNotice:
        """The notice that is tried."""
        return self.queue[0]

    def forget_attempts(self) -> None:
        """Another notice is the head. What the last one waited for in vain, this one has waited for as well."""
        waited_since_s = self.held_at_s if self.is_incomplete else None
        self.attempts = self.failures = 0
        self.last_answer = self.skip = self.held_at_s = None
        self.has_waited = self.is_incomplete = False
        self.told = "minimal"
        if self.queue and waited_since_s is not None:
            self.held_at_s = max(waited_since_s, self.head.out.queued_at_s)


class Lanes:
    """All of one subscriber's. ``chance`` gives a random number from 0 to 1, for backoff."""

    def __init__(
        self,
        terms: RetryTerms,
        *,
        keeps_visits: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.terms = terms
        self.open = 0
        self.in_flight = 0
        self.taken = 0
        self.failing_since_s: float | None = None
        self.stopped: AttemptResult | None = None
        """Nothing more may be sent after this answer, until :meth:`resume`."""
        self.keeps_visits = keeps_visits
        self._barrier: int | None = None
        self._chance = chance
        self._lanes: dict[str, Lane] = {}
        self._retrying = 0
        self._refused_in_row = 0
        self._fresh: list[tuple[int, str]] = []
        self._failed: list[tuple[int, str]] = []
        self._later: list[tuple[float, int, str]] = []
        self._visits: defaultdict[VisitRef, deque[int]] = defaultdict(deque)

    # -- what waits

    def __iter__(self) -> Iterator[Lane]:
        """As they are now: other threads may look while this one works."""
        return iter(list(self._lanes.values()))

    def __len__(self) -> int:
        return len(self._lanes)

    def __contains__(self, ward: str) -> bool:
        return ward in self._lanes

    def has_room(self, ward: str) -> bool:
        """Whether one more notice of the ward may be held in memory."""
        lane = self._lanes.get(ward)
        if lane is None:
            return True
        limit = REFUSED_LANE_NOTICES if lane.failures else LANE_NOTICES
        return len(lane.queue) < limit and self.open < SUBSCRIBER_NOTICES

    def put(self, queued: QueuedNotice) -> None:
        """Open a notice, as the newest of its lane."""
        ward = queued.out.notice.subject
        lane = self._lanes.get(ward)
        if lane is None:
            lane = self._lanes[ward] = Lane(ward)
        lane.queue.append(queued)
        self.open += 1
        if self.keeps_visits:
            self._visits[queued.out.notice.data.visit].append(queued.place.offset)
        if len(lane.queue) == 1:
            self._offer(lane)

    def standing(self) -> Iterator[LaneStatus]:
        """Each lane, as it is now; from any thread."""
        for lane in self:
            if queue := tuple(lane.queue):
                yield _standing_of(lane, queue)

    # -- what may be tried

    def start(self, now_s: float) -> QueuedNotice | None:
        """The notice to try next, which then has one of the slots; None where there is none now."""
        self._wake(now_s)
        while self.in_flight < self.terms.concurrency and (lane := self._next_ready()):
            if self._must_follow_another(lane):
                lane.state = State.HELD
                continue
            if lane.attempts == 0:
                lane.began_s, lane.taken_before = now_s, self.taken
            lane.state = State.TRYING
            self.in_flight += 1
            self._retrying += lane.failures > 0
            return lane.head
        return None

    def wakes_at_s(self) -> float | None:
        """When a refused notice is to be tried again, the earliest."""
        while self._later and not self._is_waiting(self._later[0]):
            heappop(self._later)
        return self._later[0][0] if self._later else None

    def hold(self, queued: QueuedNotice, now_s: float) -> None:
        """Give the slot back: the notice waits for what is told beside it (then :meth:`let_go`)."""
        lane = self._lanes[queued.out.notice.subject]
        self._give_slot_back(lane)
        lane.state = State.HELD
        if lane.held_at_s is None:
            lane.held_at_s = now_s

    def has_waited(self, queued: QueuedNotice) -> bool:
        """Whether what the notice was held for is there."""
        return self._lanes[queued.out.notice.subject].has_waited

    def may_wait_s(self, queued: QueuedNotice, now_s: float) -> float:
        """How long the notice may still be held."""
        held_at_s = self._lanes[queued.out.notice.subject].held_at_s
        waited_s = 0.0 if held_at_s is None else now_s - held_at_s
        return max(0.0, self.terms.fields_within_s - waited_s)

    def let_go(self, queued: QueuedNotice, *, has_waited: bool) -> None:
        """What a held notice waited for is there (``has_waited``), or is not waited for any longer."""
        lane = self._lanes.get(queued.out.notice.subject)
        if lane is not None and lane.state is State.HELD and lane.head is queued:
            lane.has_waited = has_waited
            self._offer(lane)

    def broken_off(self, queued: QueuedNotice) -> None:
        """The attempt under way was given up by us: it says nothing."""
        lane = self._lanes[queued.out.notice.subject]
        self._give_slot_back(lane)
        self._offer(lane)

    def wait_for(self, offset: int | None) -> None:
        """With ``keeps_visits``: from this offset on notices must wait, as earlier ones are not in memory."""
        if offset != self._barrier:
            self._barrier = offset
            self._offer_held()

    def _offer_held(self) -> None:
        if self.keeps_visits:
            for lane in self._lanes.values():
                if lane.state is State.HELD:
                    self._offer(lane)

    # -- what came of it

    def answered(
        self, queued: QueuedNotice, answer: AttemptResult, now_s: float, beside: Beside = MINIMAL
    ) -> EndedDelivery | None:
        """Of an attempt; None where the notice is still open. May set :attr:`stopped`."""
        lane = self._lanes[queued.out.notice.subject]
        self._give_slot_back(lane)
        lane.attempts += 1
        lane.is_incomplete = beside.incomplete
        lane.told = max(lane.told, beside.level, key=LEVELS.index)
        if answer.refusal is None:
            self._note_taken()
            return self._end(lane, answer)
        lane.held_at_s, lane.has_waited = None, False
        self._refused_in_row += 1
        if self.failing_since_s is None:
            self.failing_since_s = now_s
        return self._refused(lane, answer, now_s)

    def end_unsent(self, queued: QueuedNotice, reason: str) -> EndedDelivery:
        """The notice that was just started is not to be sent at all."""
        lane = self._lanes[queued.out.notice.subject]
        self._give_slot_back(lane)
        return self._end(lane, AttemptResult(reason), skipped=True)

    def skip(self, sequence: int, reason: str) -> EndedDelivery | None:
        """A person gives up the head of a lane. None: once the attempt under way is refused.

        Raises LookupError: no lane's head has this number.
        """
        lane = next((each for each in self if each.head.out.sequence == sequence), None)
        if lane is None:
            raise LookupError(f"{sequence} is not being tried now")
        if lane.state is State.TRYING:
            lane.skip = reason
            return None
        return self._end(lane, AttemptResult(reason), skipped=True)

    def resume(self) -> None:
        """Try again, everything at once: a person or the subscriber says so."""
        self.stopped, self.failing_since_s, self._refused_in_row = None, None, 0
        self._release()

    # -- how

    def _refused(self, lane: Lane, answer: AttemptResult, now_s: float) -> EndedDelivery | None:
        if lane.skip is not None:
            return self._end(lane, AttemptResult(lane.skip), skipped=True)
        if answer.gone:
            self.stopped = answer
        elif self._is_over(lane, answer, now_s):
            return self._end(lane, answer)
        lane.last_answer = answer
        lane.failures += 1
        lane.not_before_s = now_s + max(self._backoff_s(lane), answer.retry_after_s)
        lane.state = State.WAITING
        heappush(self._later, (lane.not_before_s, lane.head.out.sequence, lane.ward))
        return None

    def _is_over(self, lane: Lane, answer: AttemptResult, now_s: float) -> bool:
        """Whether the notice is parked. Where an endpoint takes nothing for too long, it is stopped."""
        terms = self.terms
        others = terms.others_tell and self.taken > lane.taken_before
        if (answer.unwanted or others) and now_s - lane.began_s >= terms.refused_after_s:
            return True
        if not terms.pauses:
            return now_s - lane.head.out.queued_at_s >= terms.give_up_after_s
        since_s = now_s if self.failing_since_s is None else self.failing_since_s
        if now_s - since_s >= terms.give_up_after_s:
            self.stopped = answer
        return False

    def _backoff_s(self, lane: Lane) -> float:
        """Full jitter: any time up to a limit that doubles."""
        doubled = self.terms.first_pause_s * 2.0 ** min(lane.failures - 1, 60)
        return self._chance() * min(doubled, self.terms.longest_pause_s)

    def _note_taken(self) -> None:
        self.taken += 1
        was_down = self._refused_in_row >= RELEASE_AFTER
        self._refused_in_row, self.failing_since_s = 0, None
        if was_down:
            self._release()

    def _release(self) -> None:
        self._later.clear()
        for lane in self._lanes.values():
            if lane.state is State.WAITING:
                lane.failures = 0
                self._offer(lane)

    def _end(self, lane: Lane, answer: AttemptResult, *, skipped: bool = False) -> EndedDelivery:
        queued = lane.queue.popleft()
        ended = EndedDelivery(
            queued.out, answer, lane.attempts, skipped, lane.told, lane.is_incomplete
        )
        self.open -= 1
        lane.forget_attempts()
        if self.keeps_visits:
            self._forget_visit(queued)
        if lane.queue:
            self._offer(lane)
        else:
            del self._lanes[lane.ward]
        self._offer_held()
        return ended

    def _forget_visit(self, queued: QueuedNotice) -> None:
        visit = queued.out.notice.data.visit
        self._visits[visit].remove(queued.place.offset)
        if not self._visits[visit]:
            del self._visits[visit]

    def _must_follow_another(self, lane: Lane) -> bool:
        if not self.keeps_visits:
            return False
        offset, visit = lane.head.place.offset, lane.head.out.notice.data.visit
        is_behind = self._barrier is not None and offset > self._barrier
        return is_behind or min(self._visits[visit]) < offset

    def _offer(self, lane: Lane) -> None:
        lane.state = State.READY
        heappush(
            self._failed if lane.failures else self._fresh, (lane.head.out.sequence, lane.ward)
        )

    def _next_ready(self) -> Lane | None:
        """The lane with the lowest number that has a slot; entries that are out of date are dropped."""
        may_retry = self._retrying < max(1, self.terms.concurrency // 2)
        heaps = (self._fresh, self._failed) if may_retry else (self._fresh,)
        for heap in heaps:
            while heap and not self._is_ready(heap[0]):
                heappop(heap)
        found = min((heap for heap in heaps if heap), key=lambda heap: heap[0], default=None)
        return None if found is None else self._lanes[heappop(found)[1]]

    def _is_ready(self, entry: tuple[int, str]) -> bool:
        lane = self._lanes.get(entry[1])
        return lane is not None and lane.state is State.READY and lane.head.out.sequence == entry[0]

    def _wake(self, now_s: float) -> None:
        while (at_s := self.wakes_at_s()) is not None and at_s <= now_s:
            self._offer(self._lanes[heappop(self._later)[2]])

    def _is_waiting(self, entry: tuple[float, int, str]) -> bool:
        lane = self._lanes.get(entry[2])
        return lane is not None and lane.state is State.WAITING and lane.not_before_s == entry[0]

    def _give_slot_back(self, lane: Lane) -> None:
        self.in_flight -= 1
        self._retrying -= lane.failures > 0


def _standing_of(lane: Lane, queue: Sequence[QueuedNotice]) -> LaneStatus:
    out, answer = queue[0].out, lane.last_answer
    return LaneStatus(
        lane.ward, out.sequence, out.notice.data.visit, out.queued_at_s, lane.attempts,
        lane.not_before_s if lane.state is State.WAITING else None,
        answer and answer.refusal, answer.said if answer else "", lane.state.value,
        len(queue),
    )  # fmt: skip
