"""Which notice is tried when, and what an answer leads to: pure, with times that are given."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import pytest

from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.lanes import RELEASE_AFTER, EndedDelivery, Lanes, RetryTerms
from router.delivery.queue import QueuedNotice, QueuePosition
from schemas.base import VisitRef
from tests.delivery.notices import notice

TAKEN = AttemptResult(status=204)
REFUSED = AttemptResult("answered 500", 500)
UNWANTED = AttemptResult("answered 422", 422, unwanted=True)
GONE = AttemptResult("410 Gone", 410, gone=True)
DAY_S = 86_400.0
FOR_EVER = RetryTerms(pauses=True, give_up_after_s=9e9)


def waiting(
    ward: str, number: int, visit: str | None = None, queued_at_s: float = 0.0
) -> QueuedNotice:
    of = notice(ward, number)
    if visit is not None:
        data = of.data.model_copy(update={"visit": VisitRef(source="ehr", visit=visit)})
        of = of.model_copy(update={"data": data})
    return QueuedNotice(QueuePosition(10 * number, number - 1), Outgoing(number, of, queued_at_s))


def lanes_of(*wards: str, terms: RetryTerms | None = None, **more: bool) -> Lanes:
    """The notices 1, 2, 3, … of these wards."""
    lanes = Lanes(terms or RetryTerms(), chance=lambda: 1.0, **more)
    for number, ward in enumerate(wards, 1):
        lanes.put(waiting(ward, number))
    return lanes


def started(lanes: Lanes, now_s: float = 0.0) -> list[int]:
    """All that may begin now."""
    found = []
    while (each := lanes.start(now_s)) is not None:
        found.append(each.out.sequence)
    return found


def tried(lanes: Lanes, answer: AttemptResult, now_s: float = 0.0) -> EndedDelivery | None:
    """One attempt, at once."""
    each = lanes.start(now_s)
    assert each is not None
    return lanes.answered(each, answer, now_s)


@pytest.mark.parametrize(
    ("wards", "concurrency", "begin"),
    [
        ("AAB", 4, [1, 3]),
        ("AABBC", 4, [1, 3, 5]),
        ("ABCDE", 2, [1, 2]),
        ("BA", 1, [1]),
        ("", 4, []),
    ],
)
def test_the_oldest_of_each_ward_begins_as_far_as_there_are_slots(
    wards: str, concurrency: int, begin: list[int]
) -> None:
    lanes = lanes_of(*wards, terms=RetryTerms(concurrency=concurrency))
    assert started(lanes) == begin
    assert lanes.in_flight == len(begin)


def test_a_refused_notice_stops_its_ward_and_no_other() -> None:
    lanes = lanes_of("A", "A", "B", "B", terms=RetryTerms(concurrency=1))
    assert tried(lanes, REFUSED) is None
    assert [tried(lanes, TAKEN).out.sequence for _ in range(2)] == [3, 4]  # type: ignore[union-attr]
    assert lanes.start(0.9) is None
    assert lanes.wakes_at_s() == 1.0
    assert started(lanes, 1.0) == [1]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_pauses_double_up_to_a_limit_at_random(chance: float) -> None:
    lanes = Lanes(RetryTerms(first_pause_s=1, longest_pause_s=10), chance=lambda: chance)
    lanes.put(waiting("A", 1))
    pauses, now_s = [], 0.0
    for _ in range(6):
        tried(lanes, REFUSED, now_s)
        wakes_at_s = lanes.wakes_at_s()
        assert wakes_at_s is not None
        pauses.append(wakes_at_s - now_s)
        now_s = wakes_at_s
    assert pauses == pytest.approx([chance * limit for limit in (1, 2, 4, 8, 10, 10)])


def test_an_endpoint_is_left_alone_for_as_long_as_it_asks() -> None:
    lanes = lanes_of("A")
    tried(lanes, AttemptResult("answered 429", 429, 17.0))
    assert lanes.wakes_at_s() == 17.0


class Case(NamedTuple):
    """A notice queued at 0, first tried at ``first_s``, refused again at ``again_s``."""

    answer: AttemptResult
    first_s: float
    again_s: float
    others_taken: bool
    is_parked: bool
    terms: RetryTerms = RetryTerms()


@pytest.mark.parametrize(
    "case",
    [
        Case(REFUSED, 0, 700, others_taken=False, is_parked=False),
        Case(REFUSED, 0, 700, others_taken=True, is_parked=True),
        Case(REFUSED, 0, 599, others_taken=True, is_parked=False),
        Case(UNWANTED, 0, 599, others_taken=False, is_parked=False),
        Case(UNWANTED, 0, 600, others_taken=False, is_parked=True),
        Case(UNWANTED, 1000, 1599, others_taken=False, is_parked=False),
        Case(REFUSED, 0, 3 * DAY_S - 1, others_taken=False, is_parked=False),
        Case(REFUSED, 0, 3 * DAY_S, others_taken=False, is_parked=True),
        Case(
            REFUSED,
            700,
            800,
            others_taken=True,
            is_parked=False,
            terms=RetryTerms(others_tell=False),
        ),
        Case(
            REFUSED, 0, 700, others_taken=True, is_parked=False, terms=RetryTerms(others_tell=False)
        ),
        Case(REFUSED, 0, 3 * DAY_S, others_taken=False, is_parked=False, terms=FOR_EVER),
        Case(UNWANTED, 0, 600, others_taken=False, is_parked=True, terms=RetryTerms(pauses=True)),
    ],
)
def test_when_a_notice_is_parked(case: Case) -> None:
    lanes = lanes_of("A", "B", terms=case.terms)
    assert [tried(lanes, case.answer, case.first_s) for _ in range(2)] == [None, None]
    if case.others_taken:
        lanes.resume()
        assert lanes.start(case.first_s).out.notice.subject == "A"  # type: ignore[union-attr]
        tried(lanes, TAKEN, case.first_s)  # of B
        lanes.broken_off(lanes_head(lanes, "A"))
    ended = tried(lanes, case.answer, case.again_s)
    assert (ended is not None) is case.is_parked
    if ended:
        assert (ended.answer, ended.skipped) == (case.answer, False)


def lanes_head(lanes: Lanes, ward: str) -> QueuedNotice:
    return next(lane.head for lane in lanes if lane.ward == ward)


def test_an_endpoint_that_takes_nothing_for_too_long_is_stopped_where_the_terms_say_so() -> None:
    lanes = lanes_of("A", "B", terms=RetryTerms(pauses=True, give_up_after_s=3600, concurrency=1))
    tried(lanes, REFUSED, 0.0)
    tried(lanes, TAKEN, 10.0)
    tried(lanes, REFUSED, 20.0)
    assert lanes.stopped is None
    tried(lanes, REFUSED, 3619.0)
    assert lanes.stopped is None
    tried(lanes, REFUSED, 4000.0)
    assert lanes.stopped == REFUSED
    lanes.resume()
    assert lanes.stopped is None
    assert started(lanes, 4000.0) == [2]


def test_an_endpoint_that_is_gone_stops_everything_and_ends_nothing() -> None:
    lanes = lanes_of("A", "B")
    assert tried(lanes, GONE, 9e9) is None
    assert lanes.stopped == GONE
    assert lanes.open == 2


def test_after_an_outage_everything_may_be_tried_at_once() -> None:
    wards = [f"W{number}" for number in range(20)]
    lanes = lanes_of(*wards, terms=RetryTerms(first_pause_s=60, concurrency=4))
    for _ in range(19):
        tried(lanes, REFUSED)
    assert started(lanes, 59.0) == [20]
    lanes.answered(lanes_head(lanes, "W19"), TAKEN, 59.0)
    assert started(lanes, 59.0) == [1, 2, 3, 4]


def test_one_that_is_taken_now_and_then_does_not_hurry_a_poisoned_one() -> None:
    lanes = lanes_of("A", terms=RetryTerms(first_pause_s=60))
    tried(lanes, REFUSED)
    for number in range(2, 2 + 2 * RELEASE_AFTER):
        lanes.put(waiting("B", number))
        tried(lanes, TAKEN)
    assert lanes.start(59.0) is None


@pytest.mark.parametrize(("concurrency", "retries"), [(1, 1), (2, 1), (4, 2), (5, 2)])
def test_retries_leave_slots_for_the_others(concurrency: int, retries: int) -> None:
    """Receivers that hang at some wards hold a slot for the whole of the time limit."""
    wards = [f"W{number}" for number in range(9)]
    lanes = lanes_of(*wards, terms=RetryTerms(concurrency=concurrency))
    for _ in wards:
        tried(lanes, REFUSED)
    assert len(started(lanes, 10.0)) == retries
    lanes.put(waiting("new", 10))
    assert started(lanes, 10.0) == ([10] if concurrency > retries else [])


def test_a_skip_gives_up_the_oldest_of_a_ward_only() -> None:
    lanes = lanes_of("A", "A", "B")
    for unknown in (2, 7):
        with pytest.raises(LookupError, match=f"{unknown} is not being tried"):
            lanes.skip(unknown, "typo")
    ended = lanes.skip(1, "unreadable, says Eva")
    assert ended is not None
    assert (ended.out.sequence, ended.skipped, ended.answer.refusal) == (
        1, True, "unreadable, says Eva",
    )  # fmt: skip
    assert started(lanes) == [2, 3]


@pytest.mark.parametrize(("answer", "is_skipped"), [(TAKEN, False), (REFUSED, True)])
def test_a_skip_amid_an_attempt_counts_if_the_attempt_is_refused(
    answer: AttemptResult,
    is_skipped: bool,  # noqa: FBT001
) -> None:
    lanes = lanes_of("A")
    under_way = lanes.start(0.0)
    assert under_way is not None
    assert lanes.skip(1, "no") is None
    ended = lanes.answered(under_way, answer, 0.0)
    assert ended is not None
    assert (ended.skipped, ended.attempts) == (is_skipped, 1)


def test_what_waits_for_fields_holds_no_slot_and_its_ward_only() -> None:
    lanes = lanes_of("A", "A", "B", terms=RetryTerms(concurrency=1))
    first = lanes.start(0.0)
    assert first is not None
    lanes.hold(first, 0.0)
    assert tried(lanes, TAKEN, 5.0).out.sequence == 3  # type: ignore[union-attr]
    assert lanes.may_wait_s(first, 7.0) == 3.0
    assert not lanes.may_wait_s(first, 10.0)
    assert lanes.start(5.0) is None
    lanes.let_go(first, has_waited=True)
    assert started(lanes, 5.0) == [1]


def test_a_held_notice_that_was_skipped_meanwhile_is_let_go_of() -> None:
    lanes = lanes_of("A", "A")
    first = lanes.start(0.0)
    assert first is not None
    lanes.hold(first, 0.0)
    lanes.skip(1, "no")
    assert started(lanes) == [2]
    lanes.let_go(first, has_waited=True)
    assert started(lanes) == []


@pytest.mark.parametrize(("keeps_visits", "begin"), [(True, [3]), (False, [2, 3])])
def test_an_earlier_notice_of_the_visit_at_another_ward_goes_first_where_the_channel_needs_it(
    keeps_visits: bool,  # noqa: FBT001
    begin: list[int],
) -> None:
    lanes = Lanes(RetryTerms(), keeps_visits=keeps_visits)
    for number, (ward, visit) in enumerate((("A", "v"), ("B", "v"), ("C", "w")), 1):
        lanes.put(waiting(ward, number, visit))
    tried(lanes, REFUSED)
    assert started(lanes) == begin


def test_what_follows_a_visit_goes_out_when_that_has_ended() -> None:
    lanes = Lanes(RetryTerms(concurrency=1), keeps_visits=True)
    for number, (ward, visit) in enumerate((("A", "v"), ("B", "v"), ("B", "w")), 1):
        lanes.put(waiting(ward, number, visit))
    found = []
    while (ended := lanes.start(0.0)) is not None:
        found.append(ended.out.sequence)
        lanes.answered(ended, TAKEN, 0.0)
    assert found == [1, 2, 3]


def test_with_visits_nothing_overtakes_what_is_not_in_memory() -> None:
    lanes = Lanes(RetryTerms(), keeps_visits=True)
    for number, ward in enumerate("AB", 1):
        lanes.put(waiting(ward, number, ward))
    lanes.wait_for(15)
    assert started(lanes) == [1]
    lanes.wait_for(None)
    assert started(lanes) == [2]


def test_how_a_lane_is() -> None:
    lanes = lanes_of("A", "A", "B")
    tried(lanes, REFUSED, 5.0)
    lanes.start(5.0)
    refused, under_way = lanes.standing()
    assert (refused.ward, refused.sequence, refused.attempts, refused.waiting) == ("A", 1, 1, 2)
    assert (refused.next_attempt_s, refused.last_answer) == (6.0, "answered 500")
    assert (under_way.sequence, under_way.next_attempt_s, under_way.attempts) == (3, None, 0)


# -- the whole of it, in simulated time


class World(NamedTuple):
    """What came of a simulation: by number, when each was queued and when it ended; and in which order."""

    queued_s: dict[int, float]
    ended_s: dict[int, float]
    taken: list[tuple[str, int]]
    ended: dict[int, EndedDelivery]


def simulate(
    arrivals: list[tuple[float, str]],
    answer: Callable[[str, int, float], tuple[AttemptResult, float]],
    terms: RetryTerms,
) -> World:
    """``answer`` tells what comes of an attempt, and after how long."""
    lanes, world = Lanes(terms, chance=random.Random(3).random), World({}, {}, [], {})
    order = count()
    events: list[tuple[float, int, QueuedNotice, AttemptResult | None]] = []
    for number, (at_s, ward) in enumerate(arrivals, 1):
        world.queued_s[number] = at_s
        heappush(events, (at_s, next(order), waiting(ward, number, queued_at_s=at_s), None))
    now_s = 0.0
    while events or lanes.open:
        while (each := lanes.start(now_s)) is not None:
            came, after_s = answer(each.out.notice.subject, each.out.sequence, now_s)
            heappush(events, (now_s + after_s, next(order), each, came))
        wakes_at_s = lanes.wakes_at_s()
        if not events or (wakes_at_s is not None and wakes_at_s < events[0][0]):
            assert wakes_at_s is not None
            now_s = wakes_at_s
            continue
        now_s, _, what, outcome = heappop(events)
        if outcome is None:
            lanes.put(what)
        elif ended := lanes.answered(what, outcome, now_s):
            number = what.out.sequence
            world.ended[number], world.ended_s[number] = ended, now_s
            if ended.answer.refusal is None:
                world.taken.append((what.out.notice.subject, number))
    return world


def p99_s(world: World, numbers: list[int]) -> float:
    waits = sorted(world.ended_s[number] - world.queued_s[number] for number in numbers)
    return waits[int(len(waits) * 0.99)]


@pytest.mark.parametrize("takes_s", [0.01, 10.0], ids=["answers 500", "hangs"])
@pytest.mark.parametrize("others_tell", [True, False])
def test_a_lone_poisoned_notice_for_three_days_costs_the_other_wards_nothing(
    takes_s: float,
    others_tell: bool,  # noqa: FBT001
) -> None:
    """With ``others_tell`` it is parked after ten minutes; without, it is tried for the whole of three days."""
    wards = [f"W{number}" for number in range(50)]
    chance = random.Random(17)
    arrivals = [(60.0 * n, chance.choice(wards)) for n in range(3 * 24 * 60)]
    poisoned = 1 + next(n for n, (_, ward) in enumerate(arrivals) if ward == "W7")

    def healthy(_ward: str, _number: int, _now_s: float) -> tuple[AttemptResult, float]:
        return TAKEN, 0.01

    def poisoning(_ward: str, number: int, _now_s: float) -> tuple[AttemptResult, float]:
        return (REFUSED, takes_s) if number == poisoned else (TAKEN, 0.01)

    terms = RetryTerms(others_tell=others_tell)
    without, beside = simulate(arrivals, healthy, terms), simulate(arrivals, poisoning, terms)
    others = [n for n, (_, ward) in enumerate(arrivals, 1) if ward != "W7"]
    assert p99_s(beside, others) == pytest.approx(p99_s(without, others))
    assert max(beside.ended_s[n] - beside.queued_s[n] for n in others) < 0.02
    parked = beside.ended[poisoned]
    assert parked.answer.refusal == "answered 500"
    age_s = beside.ended_s[poisoned] - beside.queued_s[poisoned]
    limit_s = 600 if others_tell else 3 * DAY_S
    assert limit_s <= age_s <= limit_s + 300 + 2 * takes_s
    assert len(beside.taken) == len(arrivals) - 1


@pytest.mark.parametrize("seed", range(8))
def test_whatever_an_endpoint_does_each_ward_keeps_its_order(seed: int) -> None:
    chance = random.Random(seed)
    wards = [f"W{n}" for n in range(chance.choice([1, 2, 7, 30]))]
    arrivals = sorted((chance.uniform(0, 600), chance.choice(wards)) for _ in range(400))
    down = chance.uniform(100, 300)

    def answer(_ward: str, _number: int, now_s: float) -> tuple[AttemptResult, float]:
        if down <= now_s < down + 120:
            return REFUSED, chance.choice([0.001, 10.0])
        kinds = (TAKEN, TAKEN, TAKEN, REFUSED, AttemptResult("answered 429", 429, 2.0))
        return chance.choice(kinds), chance.choice([0.001, 0.1, 10.0])

    world = simulate(arrivals, answer, RetryTerms(concurrency=chance.choice([1, 2, 4, 16])))
    by_ward = defaultdict(list)
    for ward, number in world.taken:
        by_ward[ward].append(number)
    assert sorted(world.ended) == list(range(1, 401))
    assert all(numbers == sorted(numbers) for numbers in by_ward.values())
