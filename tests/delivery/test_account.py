"""Numbers, what is open and what is left in the log: against a model, through restarts and pauses."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from bus.port import Stored
from router.delivery import subscriber_account as accounts
from router.delivery.channel import AttemptResult
from router.delivery.lanes import (
    LANE_NOTICES,
    REFUSED_LANE_NOTICES,
    SUBSCRIBER_NOTICES,
    Lanes,
    RetryTerms,
)
from router.delivery.queue import SEQUENCE
from router.delivery.subscriber_account import SubscriberAccount, UnreadableError
from schemas import topics
from schemas.base import VisitRef
from schemas.delivery import Backlog, SubscriberState
from tests.delivery.notices import notice

TAKEN, REFUSED = AttemptResult(status=204), AttemptResult("answered 500", 500)


def stored(
    offset: int, ward: str, number: int, again: int | None = None, visit: str | None = None
) -> Stored:
    of = notice(ward, number)
    if visit is not None:
        data = of.data.model_copy(update={"visit": VisitRef(source="ehr", visit=visit)})
        of = of.model_copy(update={"data": data})
    value = of.model_dump_json().encode()
    headers = () if again is None else ((SEQUENCE, str(again).encode()),)
    return Stored(topics.OUTGOING, 0, offset, "s", value, headers, 0)


@dataclass
class Process:
    """One process at a time that tells one subscriber, over a queue that grows; what is committed outlives it."""

    queue: list[Stored] = field(default_factory=list)
    end: int = 0
    committed: SubscriberState = field(default_factory=lambda: SubscriberState(subscriber="s"))
    position: int = 0
    terms: RetryTerms = field(
        default_factory=lambda: RetryTerms(first_pause_s=0.0, longest_pause_s=0.0)
    )
    keeps_visits: bool = False
    sent: list[tuple[int, str, str]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin with what is committed; what had ended and was not committed is forgotten."""
        self.account = SubscriberAccount(self.committed)
        self.lanes = Lanes(self.terms, keeps_visits=self.keeps_visits)
        self.account.open_lanes(self.lanes)
        self.read = self.position
        self.ended = []

    def queue_up(
        self, ward: str, others: int = 0, again: int | None = None, visit: str | None = None
    ) -> None:
        self.end += others
        self.queue.append(stored(self.end, ward, len(self.queue) + 1, again, visit))
        self.end += 1

    def take(self) -> None:
        """Read to the end."""
        for each in self.queue:
            if each.offset >= self.read:
                self.account.take(each)
        self.read = self.end

    def read_on(self, page: int = 10) -> bool:
        place = self.account.to_read()
        if place is None:
            return False
        found = [each for each in self.queue if each.offset >= place.offset][:page]
        end = found[-1].offset + 1 if len(found) == page else self.end
        assert self.account.read_on(place, found, end, self.read) == []
        return True

    def try_one(self, answer: AttemptResult) -> bool:
        each = self.lanes.start(0.0)
        if each is None:
            return False
        ended = self.lanes.answered(each, answer, 0.0)
        if ended is not None:
            of = each.out.notice
            self.sent.append((each.place.offset, of.subject, of.data.visit.visit))
            self.ended.append(each.out.sequence)
        return True

    def commit(self) -> None:
        self.committed, self.position = self.account.row(), self.read
        self.committed = SubscriberState.model_validate_json(self.committed.model_dump_json())
        self.kept += self.ended
        self.ended = []

    def open(self) -> int:
        """How many were counted and have not ended, as far as this process knows."""
        counted = sum(each.offset < self.account.position for each in self.queue)
        return counted - len(self.kept) - len(self.ended)

    def finish(self) -> None:
        self.account.paused = None
        self.take()
        while self.read_on() or self.try_one(TAKEN):
            pass


def test_numbers_follow_from_the_order_of_the_queue_and_repetitions_take_none() -> None:
    process = Process()
    for ward in "AAB":
        process.queue_up(ward, others=3)
    process.queue_up("A", again=2)
    process.queue_up("B")
    process.finish()
    assert process.ended == [1, 3, 2, 4, 2] or sorted(process.ended) == [1, 2, 2, 3, 4]
    assert process.account.sequence == 4
    assert process.account.is_settled


def test_what_was_taken_is_recorded_whatever_is_open_before_it() -> None:
    process = Process()
    for ward in "ABABAB":
        process.queue_up(ward)
    process.take()
    process.try_one(REFUSED)
    for _ in range(3):
        each = process.lanes.start(-1.0)
        assert each is not None
        assert each.out.notice.subject == "B"
        process.lanes.answered(each, TAKEN, 0.0)
    row = process.account.row()
    assert row.lanes == {"A": Backlog(offset=0, sequence=0, waiting=3)}
    assert (row.sequence, row.position, row.rest) == (6, 6, None)
    process.commit()
    process.start()
    process.finish()
    assert process.ended == [1, 3, 5]


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_lane_holds_so_many_and_the_rest_stays_in_the_log(is_refused: bool) -> None:  # noqa: FBT001
    process, limit = Process(), REFUSED_LANE_NOTICES if is_refused else LANE_NOTICES
    process.queue_up("A")
    process.take()
    if is_refused:
        process.try_one(REFUSED)
    for _ in range(3 * LANE_NOTICES):
        process.queue_up("A")
    process.queue_up("B")
    process.take()
    assert [(lane.ward, len(lane.queue)) for lane in process.lanes] == [("A", limit), ("B", 1)]
    assert process.account.waiting() == {"A": 3 * LANE_NOTICES + 1, "B": 1}
    assert process.account.to_read() is None
    process.finish()
    assert sorted(process.ended) == list(range(1, 3 * LANE_NOTICES + 3))


def test_a_subscriber_holds_so_many_and_each_other_lane_one() -> None:
    process = Process()
    wards = [f"W{n % 40}" for n in range(2 * SUBSCRIBER_NOTICES)]
    for ward in (*wards, "new", "new"):
        process.queue_up(ward)
    process.take()
    assert process.lanes.open == SUBSCRIBER_NOTICES + 1
    assert process.account.waiting()["new"] == 2
    process.finish()
    assert len(process.ended) == len(wards) + 2


def test_so_many_lanes_bound_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "LANES", 5)
    process = Process()
    for number in range(40):
        process.queue_up(f"W{number % 20}")
    process.take()
    row = process.account.row()
    assert (len(row.lanes), row.rest) == (5, Backlog(offset=5, sequence=5, waiting=35))
    process.finish()
    assert sorted(process.ended) == list(range(1, 41))


def test_whoever_is_not_told_here_is_counted_and_left_in_the_log() -> None:
    process = Process()
    process.account.close_lanes()
    for ward in "AAB":
        process.queue_up(ward)
    process.take()
    assert process.account.to_read() is None
    row = process.account.row()
    assert (row.sequence, row.lanes, row.rest) == (3, {}, Backlog(offset=0, sequence=0, waiting=3))
    process.account.open_lanes(process.lanes)
    process.finish()
    assert sorted(process.ended) == [1, 2, 3]


def test_who_is_paused_has_what_is_open_and_a_row_that_does_not_grow() -> None:
    process = Process()
    process.queue_up("A")
    process.take()
    process.account.paused = "by hand"
    for number in range(300):
        process.queue_up(f"W{number}")
    process.take()
    row = process.account.row()
    assert (len(row.lanes), row.rest) == (1, Backlog(offset=1, sequence=1, waiting=300))
    assert process.account.waiting() == {"A": 1, "": 300}
    process.finish()
    assert len(process.ended) == 301


def test_a_record_that_holds_no_notice_has_a_number_and_is_passed_over() -> None:
    process = Process()
    process.queue_up("A")
    process.queue.append(process.queue[0]._replace(offset=1, value=b"{"))
    process.end = 2
    process.queue_up("A")
    account = process.account
    account.take(process.queue[0])
    with pytest.raises(UnreadableError):
        account.take(process.queue[1])
    account.take(process.queue[2])
    assert [each.out.sequence for each in next(iter(process.lanes)).queue] == [1, 3]
    account.close_lanes()
    account.open_lanes(lanes := Lanes(RetryTerms()))
    process.read = process.end
    place = account.to_read()
    assert place is not None
    assert account.read_on(place, process.queue, 3, 3) == [process.queue[1]]
    assert [each.out.sequence for each in next(iter(lanes)).queue] == [1, 3]


def test_what_is_no_longer_in_the_log_leaves_a_gap() -> None:
    process = Process()
    for ward in "ABABAB":
        process.queue_up(ward)
    process.take()
    process.account.close_lanes()
    account = SubscriberAccount(process.account.row())
    account.open_lanes(lanes := Lanes(RetryTerms()))
    kept = process.queue[3:]
    assert account.lose_before(3, kept, 6) == 3
    place = account.to_read()
    assert place == (3, 3)
    account.read_on(place, kept, 6, 6)
    assert sorted(q.out.sequence for lane in lanes for q in lane.queue) == [4, 5, 6]
    account.lose_all()
    assert account.sequence == 7


@pytest.mark.parametrize("keeps_visits", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_nothing_is_lost_or_sent_out_of_order_whatever_happens(
    seed: int,
    keeps_visits: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bursts, refusals, pauses, an absent sender, restarts with and without a commit, lanes without room."""
    chance = random.Random(seed)
    monkeypatch.setattr("router.delivery.lanes.LANE_NOTICES", chance.choice([2, 5, 64]))
    monkeypatch.setattr("router.delivery.lanes.REFUSED_LANE_NOTICES", 1)
    monkeypatch.setattr("router.delivery.lanes.SUBSCRIBER_NOTICES", chance.choice([3, 10, 1000]))
    monkeypatch.setattr(accounts, "LANES", chance.choice([2, 4, 1000]))
    process = Process(keeps_visits=keeps_visits)
    wards = [f"W{number}" for number in range(chance.choice([1, 3, 12]))]
    for _ in range(400):
        happens(process, chance, wards)
        assert sum(process.account.waiting().values()) == process.open()
    process.finish()
    everything = process.kept + process.ended
    assert sorted(everything) == list(range(1, len(process.queue) + 1)), "once each, but for kills"
    assert in_order((offset, ward) for offset, ward, _ in process.sent)
    assert not keeps_visits or in_order((offset, visit) for offset, _, visit in process.sent)
    assert sum(process.account.waiting().values()) == 0
    assert process.account.row().lanes == {}


def happens(process: Process, chance: random.Random, wards: list[str]) -> None:
    """One thing that may happen to a process."""

    def queue_up() -> None:
        for _ in range(chance.choice([1, 1, 7])):
            visit = chance.choice("abcd")
            process.queue_up(chance.choice(wards), chance.choice([0, 3]), visit=visit)

    def take() -> None:
        process.take()
        process.try_one(chance.choice([TAKEN, TAKEN, REFUSED]))

    def pause() -> None:
        process.account.paused = chance.choice(["by hand", None])

    def send_anew() -> None:
        process.account.close_lanes()
        process.lanes = Lanes(process.terms, keeps_visits=process.keeps_visits)
        process.account.open_lanes(process.lanes)

    def restart() -> None:
        process.commit()
        process.start()

    def read_on() -> None:
        process.read_on(chance.choice([1, 10]))

    often, seldom = (queue_up, take, take, read_on), (process.commit, pause, send_anew, restart)
    chance.choice([*often, *often, *seldom, process.start])()


def in_order(sent: Iterable[tuple[int, str]]) -> bool:
    """Whether the first times of each kind follow one another."""
    first_times: dict[str, list[int]] = defaultdict(list)
    for offset, of in dict.fromkeys(sent):
        first_times[of].append(offset)
    return all(offsets == sorted(offsets) for offsets in first_times.values())
