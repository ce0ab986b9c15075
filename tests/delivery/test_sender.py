"""One subscriber's sender over real logs: order, numbers, patience, and what a restart repeats."""

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from bus.memory import MemoryLog
from bus.port import Log, LogError, LogFencedError, TopicPartition
from router.delivery.attempts import Terms
from router.delivery.channel import Answer, Outgoing
from router.delivery.orders import Pause, Resume, Skip
from router.delivery.sender import (
    BATCH_NOTICES,
    GONE,
    NOT_ALLOWED,
    PASS_OVER_RECORDS,
    PASS_OVER_S,
    Sender,
)
from schemas import topics
from schemas.delivery import Delivery, Outcome, SubscriberState
from schemas.fields import Beside
from schemas.notification import DesignationData
from tests.delivery.notices import BESIDE, queued

QUICK = Terms(first_pause_s=0.001, longest_pause_s=0.01)
TAKEN = Answer(status=204)


class Endpoint:
    """A channel that answers as it is told, and notes what it was sent."""

    def __init__(
        self, answer: Callable[[Outgoing], Answer] = lambda _: TAKEN, *, in_order: bool = False
    ) -> None:
        self.endpoint = "here"
        self.in_order = in_order
        self.sent: list[Outgoing] = []
        self.taken: list[Outgoing] = []
        self._answer = answer

    async def send(self, outgoing: Outgoing) -> Answer:
        self.sent.append(outgoing)
        await asyncio.sleep(0)
        answer = self._answer(outgoing)
        if answer.refusal is None:
            self.taken.append(outgoing)
        return answer

    async def test(self, number: str, at: datetime) -> Answer:
        del at
        return Answer(number)

    async def close(self) -> None:
        """Nothing is held."""


@contextmanager
def looping() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run_until_ended(log: Log, sender: Sender) -> None:
    """In a thread of its own, until the first notice has ended."""
    with looping() as loop:
        thread = threading.Thread(target=sender.run, args=(loop,))
        thread.start()
        assert log.wait([topics.DELIVERIES], {}, 20)
        sender.stop()
        thread.join(20)


def rounds(log: Log, endpoint: Endpoint, number: int = 1, terms: Terms = QUICK) -> Sender:
    sender = Sender(log, "s", endpoint, terms)
    with looping() as loop:
        for _ in range(number):
            sender.round(loop, 0.0)
    return sender


@contextmanager
def running(sender: Sender) -> Iterator[Sender]:
    """In a thread of its own; its connections are let go afterwards."""
    with looping() as loop:
        thread = threading.Thread(target=sender.run, args=(loop,))
        thread.start()
        try:
            yield sender
        finally:
            sender.stop()
            thread.join(20)
            asyncio.run_coroutine_threadsafe(sender.close(), loop).result(20)
            assert not thread.is_alive()


@retry(
    retry=retry_if_result(lambda is_so: not is_so), wait=wait_fixed(0.01), stop=stop_after_delay(20)
)
def until(condition: Callable[[], bool]) -> bool:
    return condition()


def receipts(log: Log) -> list[Delivery]:
    at = TopicPartition(topics.DELIVERIES, 0)
    return [Delivery.model_validate_json(r.value or b"") for r in log.scan(at, 0, 10_000)]


def state(log: Log) -> SubscriberState:
    (row,) = log.load(TopicPartition(topics.SUBSCRIBERS, 0))
    return SubscriberState.model_validate_json(row.value or b"")


def numbers(outgoing: list[Outgoing]) -> list[int]:
    return [each.sequence for each in outgoing]


@pytest.mark.parametrize(
    ("others_tell", "outcome"), [(True, Outcome.PARKED), (False, Outcome.DELIVERED)]
)
def test_that_others_are_taken_may_say_nothing_of_the_notice(
    others_tell: bool,  # noqa: FBT001
    outcome: Outcome,
) -> None:
    """A partition of a topic may be without a leader, by itself."""
    now, tries = [0.0], count()

    def answer(out: Outgoing) -> Answer:
        if out.notice.subject == "KIR":
            return TAKEN
        now[0] += 700.0
        return Answer("away") if next(tries) < 3 else TAKEN

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", "MED", 1), queued("s", "KIR", 2)])
    sender = Sender(
        log, "s", endpoint, replace(QUICK, others_tell=others_tell), clock=lambda: now[0]
    )
    with looping() as loop:
        sender.round(loop, 0.0)
    found = {each.ward: each.outcome for each in receipts(log)}
    assert found == {"MED": outcome, "KIR": Outcome.DELIVERED}


def test_own_notices_are_numbered_without_a_gap_whatever_lies_between() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    for number in range(1, 251):
        log.append([queued("s", "MED", number), queued("other", "MED", number)])
    rounds(log, endpoint, number=10)
    assert numbers(endpoint.taken) == list(range(1, 251))
    assert [each.sequence for each in receipts(log)] == list(range(1, 251))
    assert state(log).sequence == 250


def test_a_ward_keeps_its_order_whatever_the_endpoint_does() -> None:
    chance = random.Random(7)
    refusal = Answer("answered 500", 500)
    log, endpoint = MemoryLog(), Endpoint(lambda _: TAKEN if chance.random() < 0.5 else refusal)
    wards = ["MED", "KIR", "AKM"]
    log.append([queued("s", chance.choice(wards), number) for number in range(1, 200)])
    rounds(log, endpoint, number=2)
    by_ward = defaultdict(list)
    for each in endpoint.taken:
        by_ward[each.notice.subject].append(each.sequence)
    assert sorted(numbers(endpoint.taken)) == list(range(1, 200))
    assert [numbers == sorted(numbers) for numbers in by_ward.values()] == [True] * 3
    assert {each.outcome for each in receipts(log)} == {Outcome.DELIVERED}
    assert max(each.attempts for each in receipts(log)) > 1


def test_where_the_channel_needs_it_wards_do_not_overtake_one_another() -> None:
    chance = random.Random(7)
    log = MemoryLog()
    endpoint = Endpoint(
        lambda _: TAKEN if chance.random() < 0.5 else Answer("answered AE"), in_order=True
    )
    log.append([queued("s", chance.choice("AB"), number) for number in range(1, 50)])
    rounds(log, endpoint)
    assert numbers(endpoint.taken) == list(range(1, 50))
    assert len(endpoint.sent) > len(endpoint.taken)


def test_a_crash_before_the_commit_repeats_the_batch_under_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "MED", number) for number in range(1, 4)])

    def crash(*_: object) -> None:
        raise LogError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(log, "commit", crash)
        with pytest.raises(LogError):
            rounds(log, endpoint)
    log.rewind("subscriber.s")
    log.append([queued("s", "MED", 4)])
    rounds(log, endpoint)
    assert numbers(endpoint.taken) == [1, 2, 3, 1, 2, 3, 4]
    assert [each.notice.id for each in endpoint.taken[:3]] == [
        each.notice.id for each in endpoint.taken[3:6]
    ]


def test_what_is_not_taken_in_time_is_parked_and_the_next_goes_out() -> None:
    refusal = Answer("answered 500", 500)
    log, endpoint = MemoryLog(), Endpoint(lambda o: refusal if o.sequence == 1 else TAKEN)
    log.append([queued("s", "MED", 1), queued("s", "MED", 2)])
    sender = rounds(log, endpoint, terms=Terms(0.0, 0.0, 0.001, 0.01))
    first, second = receipts(log)
    assert (first.outcome, first.reason, first.status) == (Outcome.PARKED, "answered 500", 500)
    assert (second.outcome, second.reason) == (Outcome.DELIVERED, None)
    assert (sender.figures.parked, sender.figures.delivered) == (1, 1)


@pytest.mark.parametrize(
    ("refusal", "wards", "outcomes"),
    [
        (Answer("answered 422", 422, unwanted=True), ("MED", "MED"), [Outcome.PARKED] * 2),
        (Answer("answered 500", 500), ("MED", "KIR"), [Outcome.PARKED, Outcome.DELIVERED]),
    ],
    ids=["for what it says", "while another is taken"],
)
def test_what_is_refused_for_itself_is_parked_soon(
    refusal: Answer, wards: Sequence[str], outcomes: Sequence[Outcome]
) -> None:
    log, endpoint = MemoryLog(), Endpoint(lambda o: TAKEN if o.notice.subject == "KIR" else refusal)
    log.append([queued("s", ward, number) for number, ward in enumerate(wards, 1)])
    rounds(
        log, endpoint, terms=Terms(refused_after_s=0.05, first_pause_s=0.001, longest_pause_s=0.01)
    )
    assert [each.outcome for each in receipts(log)] == outcomes
    assert all(each.attempts > 1 for each in receipts(log) if each.outcome is Outcome.PARKED)


def test_what_is_refused_with_everything_else_is_not_parked_soon() -> None:
    log, calls = MemoryLog(), count(1)
    endpoint = Endpoint(lambda _: TAKEN if next(calls) > 200 else Answer("answered 503", 503))
    log.append([queued("s", "MED", 1), queued("s", "KIR", 2)])
    rounds(
        log, endpoint, terms=Terms(refused_after_s=0.0, first_pause_s=0.001, longest_pause_s=0.002)
    )
    assert {each.outcome for each in receipts(log)} == {Outcome.DELIVERED}
    assert receipts(log)[0].attempts + receipts(log)[1].attempts > 200


def test_gone_pauses_until_another_endpoint_is_configured() -> None:
    gone = Answer("410 Gone", 410, gone=True)
    log, endpoint = MemoryLog(), Endpoint(lambda o: gone if o.sequence == 2 else TAKEN)
    log.append([queued("s", "MED", number) for number in range(1, 4)])
    rounds(log, endpoint)
    assert numbers(endpoint.taken) == [1]
    assert (state(log).paused, state(log).sequence) == (GONE, 1)
    sender = rounds(log, again := Endpoint(), number=2)
    assert again.sent == []
    assert sender.figures.trouble == GONE
    elsewhere = Endpoint()
    elsewhere.endpoint = "elsewhere"
    rounds(log, elsewhere)
    assert numbers(elsewhere.taken) == [2, 3]
    assert state(log).paused is None


def test_a_person_says_that_an_endpoint_which_was_gone_is_there_again() -> None:
    gone = Answer("410 Gone", 410, gone=True)
    log, calls = MemoryLog(), count(1)
    log.append([queued("s", "MED", number) for number in range(1, 4)])
    endpoint = Endpoint(lambda _: gone if next(calls) == 1 else TAKEN)
    with running(Sender(log, "s", endpoint, QUICK)) as sender:
        until(lambda: sender.figures.trouble == GONE)
        assert sender.ask(Resume()) is None
        until(lambda: len(receipts(log)) == 3)
    assert numbers(endpoint.taken) == [1, 2, 3]
    assert state(log).paused is None


def test_a_pause_by_hand_outlives_a_restart_and_another_endpoint() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    with running(Sender(log, "s", endpoint, QUICK)) as sender:
        until(lambda: sender.ask(Pause("moving house, says Eva")) is None)
        until(lambda: list(log.load(TopicPartition(topics.SUBSCRIBERS, 0))) != [])
    log.append([queued("s", "MED", 1)])
    elsewhere = Endpoint()
    elsewhere.endpoint = "elsewhere"
    with running(Sender(log, "s", elsewhere, QUICK)) as sender:
        until(lambda: sender.figures.trouble == "paused by hand: moving house, says Eva")
        assert elsewhere.sent == []
        assert sender.ask(Resume()) is None
        until(lambda: len(receipts(log)) == 1)
    assert sender.figures.trouble is None


def test_a_pause_breaks_off_what_is_being_tried() -> None:
    log, endpoint = MemoryLog(), Endpoint(lambda _: Answer("answered 503", 503))
    log.append([queued("s", "MED", 1)])
    patient = Terms(first_pause_s=60, longest_pause_s=60)
    with running(Sender(log, "s", endpoint, patient)) as sender:
        until(lambda: endpoint.sent != [])
        assert sender.ask(Pause("too many calls")) is None
        until(lambda: sender.figures.trouble == "paused by hand: too many calls")
    assert receipts(log) == []


def test_what_is_skipped_has_a_receipt_and_the_next_goes_out() -> None:
    log = MemoryLog()
    endpoint = Endpoint(lambda o: Answer("answered 500", 500) if o.sequence == 1 else TAKEN)
    log.append([queued("s", "MED", number) for number in range(1, 4)])

    async def look_up(_: DesignationData) -> Beside:
        return BESIDE

    with running(Sender(log, "s", endpoint, QUICK, look_up=look_up)) as sender:
        until(lambda: endpoint.sent != [])
        assert sender.ask(Skip(9, "no such one")) == "9 is not being tried now"
        until(lambda: sender.ask(Skip(1, "they cannot read it, says Eva")) is None)
        until(lambda: len(receipts(log)) == 3)
        assert sender.ask(Skip(1, "again")) == "1 is not being tried now"
    first, *others = receipts(log)
    tried = sum(each.sequence == 1 for each in endpoint.sent)
    assert (first.sequence, first.outcome, first.attempts) == (1, Outcome.SKIPPED, tried)
    assert first.fields == "identified", "it was told before it was skipped"
    assert first.reason == "they cannot read it, says Eva"
    assert {each.outcome for each in others} == {Outcome.DELIVERED}
    assert (sender.figures.skipped, sender.figures.parked, sender.figures.delivered) == (1, 0, 2)


def test_what_may_not_be_told_any_more_has_a_receipt_and_is_not_sent() -> None:
    log, endpoint = MemoryLog(), Endpoint(lambda _: TAKEN)
    log.append([queued("s", ward, number) for number, ward in enumerate(["MED", "KIR"], 1)])
    sender = Sender(log, "s", endpoint, QUICK, may_read=lambda ward, _: ward == "KIR")
    with running(sender):
        until(lambda: len(receipts(log)) == 2)
    withheld, told = sorted(receipts(log), key=lambda receipt: receipt.sequence)
    assert (withheld.ward, withheld.outcome, withheld.reason) == (
        "MED", Outcome.SKIPPED, NOT_ALLOWED,
    )  # fmt: skip
    assert (told.ward, told.outcome) == ("KIR", Outcome.DELIVERED)
    assert [each.sequence for each in endpoint.sent] == [2]


def test_an_order_that_the_log_does_not_take_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    log, failed = MemoryLog(), threading.Event()
    commit = log.commit

    def fails_once(*given: object) -> None:
        if not failed.is_set():
            failed.set()
            raise LogError("no room")
        commit(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("router.delivery.sender.LOG_PAUSE_S", 0.01)
    with running(Sender(log, "s", Endpoint(), QUICK)) as sender:
        until(lambda: sender._state is not None)
        monkeypatch.setattr(log, "commit", fails_once)
        until(lambda: sender.ask(Pause("a while")) is None)
        until(lambda: list(log.load(TopicPartition(topics.SUBSCRIBERS, 0))) != [])
    assert failed.is_set()
    assert state(log).paused == "paused by hand: a while"


def test_nobody_is_asked_before_the_log_was_read() -> None:
    refusal = Sender(MemoryLog(), "s", Endpoint(), QUICK).ask(Resume())
    assert "cannot be read now" in (refusal or "")


def test_what_is_about_nobody_is_outside_the_sequence() -> None:
    log = MemoryLog()
    sender = Sender(log, "s", Endpoint(), QUICK)
    one, other = (asyncio.run(sender.test()).refusal or "" for _ in range(2))
    assert one != other
    assert one.startswith("test-")
    assert len(one) <= 20  # MSH-10
    assert log.ends(topics.DELIVERIES)[0] == 0


def test_notices_kept_no_longer_leave_a_gap_and_are_told_of() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "MED", 1)])
    rounds(log, endpoint)
    log.append([queued("s", "MED", 2), queued("s", "MED", 3)])
    log.forget(topics.OUTGOING)
    log.append([queued("s", "MED", 4)])
    with running(Sender(log, "s", endpoint, QUICK)) as sender:
        until(lambda: len(receipts(log)) == 2)
    assert numbers(endpoint.taken) == [1, 3]  # 2 is left out
    assert sender.figures.lost == 1


def test_the_endpoint_is_left_alone_for_as_long_as_it_asks() -> None:
    answers = iter([Answer("answered 429", 429, 0.3), TAKEN])
    log, endpoint = MemoryLog(), Endpoint(lambda _: next(answers))
    log.append([queued("s", "MED", 1)])
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", note)
        rounds(log, endpoint)
    assert max(pauses) == 0.3
    assert numbers(endpoint.taken) == [1]


def test_a_notice_sent_again_by_hand_keeps_its_number() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "MED", 1), queued("s", "MED", 2)])
    rounds(log, endpoint)
    log.append([queued("s", "MED", 1, sequence=1), queued("s", "MED", 3)])
    rounds(log, endpoint)
    assert numbers(endpoint.taken) == [1, 2, 1, 3]
    assert state(log).sequence == 3


def test_the_position_moves_on_over_the_notices_of_others() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("other", "MED", number) for number in range(1, PASS_OVER_RECORDS + 1)])
    rounds(log, endpoint, number=PASS_OVER_RECORDS // BATCH_NOTICES)
    at = TopicPartition(topics.OUTGOING, 0)
    assert log.committed("subscriber.s") == {at: PASS_OVER_RECORDS}
    assert endpoint.sent == []


def test_a_quiet_subscribers_position_does_not_grow_old_among_the_notices_of_others() -> None:
    log, now_s = MemoryLog(), [0.0]
    sender = Sender(log, "s", Endpoint(), QUICK, clock=lambda: now_s[0])
    at = TopicPartition(topics.OUTGOING, 0)
    with looping() as loop:
        for number in range(1, 4):
            log.append([queued("other", "MED", number)])
            sender.round(loop, 0.0)
            now_s[0] += PASS_OVER_S / 2
    assert log.committed("subscriber.s") == {at: 3}


def test_stopped_amid_a_batch_it_commits_what_has_ended_and_no_more() -> None:
    log = MemoryLog()
    reached, calls = threading.Event(), count(1)

    def answer(_: Outgoing) -> Answer:
        if next(calls) < 3:
            return TAKEN
        reached.set()
        return Answer("answered 503", 503)

    log.append([queued("s", "MED", number) for number in range(1, 6)])
    sender = Sender(log, "s", Endpoint(answer), Terms(first_pause_s=60, longest_pause_s=60))
    with looping() as loop:
        thread = threading.Thread(target=sender.run, args=(loop,))
        thread.start()
        assert reached.wait(20)
        sender.stop()
        thread.join(20)
    assert not thread.is_alive()
    assert [each.sequence for each in receipts(log)] == [1, 2]
    assert state(log).sequence == 2
    rounds(log, endpoint := Endpoint())
    assert numbers(endpoint.taken) == [3, 4, 5]


def test_a_log_that_failed_for_a_while_is_told_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, endpoint, failed = MemoryLog(), Endpoint(), threading.Event()
    log.append([queued("s", "MED", 1)])
    sender = Sender(log, "s", endpoint, QUICK)
    read = log.read

    def fails_once(*given: object) -> object:
        if not failed.is_set():
            failed.set()
            raise LogError("no more")
        assert sender.figures.trouble == "no more" or endpoint.taken
        return read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "read", fails_once)
    monkeypatch.setattr("router.delivery.sender.LOG_PAUSE_S", 0.01)
    run_until_ended(log, sender)
    assert numbers(endpoint.taken) == [1]
    assert sender.figures.trouble is None


def test_a_newer_owner_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "MED", 1)])

    def fenced(*_: object) -> None:
        raise LogFencedError("a newer owner")

    monkeypatch.setattr(log, "commit", fenced)
    with looping() as loop, pytest.raises(LogFencedError):
        Sender(log, "s", endpoint, QUICK).run(loop)


def test_a_fault_of_ours_is_told_tried_again_and_ends_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = count(1)

    def answer(_: Outgoing) -> Answer:
        if next(calls) == 1:
            raise ZeroDivisionError("text of a notice")
        return TAKEN

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", "MED", 1)])
    sender = Sender(log, "s", endpoint, QUICK)
    told: list[str | None] = []
    monkeypatch.setattr("router.delivery.sender.LOG_PAUSE_S", 0.01)
    send = endpoint.send

    async def note(outgoing: Outgoing) -> Answer:
        told.append(sender.figures.trouble)
        return await send(outgoing)

    monkeypatch.setattr(endpoint, "send", note)
    start_over = sender._start_over

    def noting(reason: str) -> None:
        told.append(reason)
        start_over(reason)

    monkeypatch.setattr(sender, "_start_over", noting)
    run_until_ended(log, sender)
    assert told[1] == "ZeroDivisionError in the sender: a fault of this program, please report it"
    assert numbers(endpoint.taken) == [1]
    assert sender.figures.trouble is None
