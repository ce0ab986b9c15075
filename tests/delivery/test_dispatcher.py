"""One reader for all subscribers, completion for each notice, one commit: over a log, with faults of every kind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest

from bus.memory import MemoryLog
from bus.port import FOREIGN_BYTES, LogFencedError, Record, TopicPartition
from router.delivery import dispatcher as module
from router.delivery.channel import AttemptResult, Outgoing
from router.delivery.dispatcher import UNCOMMITTED_NOTICES, Dispatcher
from router.delivery.lanes import RetryTerms
from router.delivery.queue import GROUP
from router.delivery.sender import BY_HAND, GONE, NOT_ALLOWED
from schemas import topics
from schemas.delivery import Outcome, SubscriberState
from tests.delivery.dispatching import (
    REFUSED,
    SLOW,
    TAKEN,
    Endpoint,
    FailingLog,
    Hanging,
    dispatching,
    receipts,
    sender_to,
    state,
    states,
    until,
)
from tests.delivery.notices import queued

AT = TopicPartition(topics.OUTGOING, 0)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("IDLE_WAIT_S", "COMMIT_EVERY_S", "LOG_PAUSE_S"):
        monkeypatch.setattr(module, pause, 0.02)


def refusing(*numbers: int) -> Endpoint:
    return Endpoint(lambda o: REFUSED if o.sequence in numbers else TAKEN)


# -- numbers, lanes and what is kept


@pytest.mark.parametrize("partitions", [1, 4])
async def test_each_subscribers_notices_are_numbered_without_a_gap(partitions: int) -> None:
    log = FailingLog(partitions)
    endpoints = {f"s{number}": Endpoint() for number in range(20)}
    for number in range(1, 51):
        log.append([queued(name, f"W{number % 7}", number) for name in endpoints])
    async with dispatching(log, *(sender_to(e, name) for name, e in endpoints.items())):
        await until(lambda: len(receipts(log)) == 1000)
    for name, endpoint in endpoints.items():
        assert sorted(endpoint.numbers()) == list(range(1, 51))
        assert (states(log)[name].sequence, states(log)[name].lanes) == (50, {})
    assert log.commits < 100, "receipts and positions of all are committed together"
    ends = log.ends(topics.OUTGOING)
    assert log.committed(GROUP) == {
        TopicPartition(topics.OUTGOING, n): end for n, end in ends.items() if end
    }


async def test_a_refused_notice_stops_its_ward_and_nothing_else() -> None:
    """A receiver that answered 500 to one ward's notice got nothing for any other ward until it was parked."""
    log, endpoint, other = MemoryLog(), refusing(1), Endpoint()
    log.append([queued("s", "A", 1), *(queued("s", "BCD"[n % 3], n) for n in range(2, 400))])
    log.append([queued("other", "A", n) for n in range(1, 400)])
    senders = sender_to(endpoint, terms=SLOW), sender_to(other, "other")
    async with dispatching(log, *senders):
        log.append([queued("s", "A", 400), queued("s", "B", 401)])
        await until(lambda: len(receipts(log)) == 398 + 1 + 399)
        (lane,) = senders[0].standing().lanes
        assert (lane.ward, lane.sequence, lane.last_answer) == ("A", 1, "answered 500")
        assert senders[0].standing().waiting == 2
        assert senders[0].standing().trouble == "answered 500"
    assert list(state(log).lanes) == ["A"]
    assert len(endpoint.sent) == 400


async def test_wards_do_not_wait_for_a_receiver_that_hangs_at_one() -> None:
    log, endpoint = MemoryLog(), Hanging(lambda o: o.notice.subject == "A")
    log.append([queued("s", "AB"[n % 2], n) for n in range(1, 41)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 20)
        assert [each.sequence for each in endpoint.sent if each.notice.subject == "A"] == [2]
        endpoint.go.set()
        await until(lambda: len(receipts(log)) == 40)


async def test_over_one_connection_numbers_keep_their_order_until_one_is_refused() -> None:
    log, endpoint = MemoryLog(), Endpoint(in_order=True)
    log.append([queued("s", f"W{n % 5}", n) for n in range(1, 31)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 30)
    assert endpoint.numbers() == list(range(1, 31))


async def test_more_than_there_is_room_for_is_read_again_from_the_log() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", number) for number in range(1, 1501)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(endpoint.taken) == 1500)
    assert endpoint.numbers() == list(range(1, 1501))
    assert len(receipts(log)) == 1500


async def test_a_record_that_holds_no_notice_goes_to_review_and_stops_nothing() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    spoilt = Record(topics.OUTGOING, "s", "s", b"{")
    log.append([queued("s", "A", 1), spoilt, queued("s", "A", 3)])
    of_another = b"\xff".decode(errors=FOREIGN_BYTES)
    log._add(spoilt._replace(key=of_another))  # as no engine of ours takes it

    def reviewed(_: object) -> list[Record]:
        return [Record(topics.REVIEW, "lab", "1", b"{}")]

    async with dispatching(log, sender_to(endpoint), on_unreadable=reviewed):
        await until(lambda: len(receipts(log)) == 2)
    assert endpoint.numbers() == [1, 3]
    assert log.ends(topics.REVIEW)[0] == 2


# -- nothing that was taken is sent again


async def test_a_kill_repeats_what_was_not_committed_and_nothing_else() -> None:
    log, endpoint = FailingLog(), refusing(1)
    log.append([queued("s", "BCA"[n % 3], n) for n in range(1, 151)])
    async with dispatching(log, sender_to(endpoint, terms=SLOW), killed=True):
        await until(lambda: len(receipts(log)) == 100)
        log.committing.clear()
        log.append([queued("s", "BCA"[n % 3], n) for n in range(151, 300)])
        await until(lambda: len(endpoint.taken) >= 150)
        log.failing.add("commit")
        log.committing.set()
    kept = {each.sequence for each in receipts(log)}
    assert len(kept) == 100
    log.failing.clear()
    again = Endpoint()
    async with dispatching(log, sender_to(again)):
        await until(lambda: len(receipts(log)) == 299)
    assert set(again.numbers()) == set(range(1, 300)) - kept
    assert max(Counter(each.sequence for each in receipts(log)).values()) == 1


@pytest.mark.parametrize("first", [1, 8, 200])
async def test_while_nothing_is_committed_a_bounded_number_is_sent(first: int) -> None:
    """Also where the commit that hangs is of many notices: a kill repeats those, too."""
    log, endpoint = FailingLog(), Hanging(lambda outgoing: outgoing.sequence <= first)
    log.append([queued("s", f"W{n}", n) for n in range(1, first + 1)])
    terms = RetryTerms(concurrency=first)
    async with dispatching(log, sender_to(endpoint, terms=terms)) as dispatcher:
        await until(lambda: len(endpoint.sent) == first)
        log.append([queued("s", f"W{n % 250}", n) for n in range(first + 1, 1001)])
        await until(lambda: dispatcher._positions[0] == 1000)  # all is read: a commit may hang now
        log.committing.clear()
        endpoint.go.set()
        await until(lambda: len(endpoint.taken) >= UNCOMMITTED_NOTICES)
        await asyncio.sleep(0.1)
        assert len(endpoint.sent) <= UNCOMMITTED_NOTICES + terms.concurrency
        log.committing.set()
        await until(lambda: len(receipts(log)) == 1000)
    assert sorted(endpoint.numbers()) == list(range(1, 1001))


@pytest.mark.parametrize("fails", ["read", "commit", "scan"])
async def test_a_log_that_fails_for_a_while_has_nothing_sent_again(fails: str) -> None:
    log, endpoint = FailingLog(), Endpoint()
    async with dispatching(log, sender_to(endpoint)) as dispatcher:
        for number in range(1, 301):
            log.append([queued("s", "A", number)])
            if number % 100 == 50:
                log.failing.add(fails)
                await asyncio.sleep(0.05)
            if number % 100 == 70:
                log.failing.clear()
                await until(lambda n=number: len(receipts(log)) == n)  # type: ignore[misc]
        await until(lambda: len(receipts(log)) == 300)
        assert dispatcher.log_trouble is None
    assert endpoint.numbers() == list(range(1, 301))


async def test_a_process_that_takes_over_sends_what_is_open_and_the_other_ends() -> None:
    log, ours, theirs = FailingLog(), refusing(2), Endpoint()
    log.append([queued("s", "AB"[n % 2], n) for n in range(1, 5)])

    async def both() -> None:
        async with dispatching(log, sender_to(ours, terms=SLOW)):
            await until(lambda: len(receipts(log)) == 2)
            async with dispatching(log.beside(), sender_to(theirs)):
                await until(lambda: len(receipts(log)) == 4)
            log.append([queued("s", "B", 5)])
            await until(lambda: 5 in ours.numbers())

    with pytest.raises(LogFencedError):
        await both()
    assert sorted(theirs.numbers()) == [2, 4]
    assert sorted(ours.numbers()) == [1, 3, 5]
    assert len(receipts(log)) == 4, "what ours sent after that is sent again"


async def test_a_skip_sends_nothing_again() -> None:
    """An operator's skip sent twenty delivered notices again."""
    log, endpoint = MemoryLog(), refusing(1)
    log.append([queued("s", "A", 1), *(queued("s", "B", n) for n in range(2, 31))])
    sender = sender_to(endpoint, terms=SLOW)
    async with dispatching(log, sender) as dispatcher:
        await until(lambda: len(receipts(log)) == 29)
        with pytest.raises(LookupError, match="7 is not being tried"):
            sender.skip(7, "typo")
        sender.skip(1, "they cannot read it, says Eva")
        await dispatcher.keep()
        log.append([queued("s", "A", 31)])
        await until(lambda: len(receipts(log)) == 31)
    skipped = next(each for each in receipts(log) if each.sequence == 1)
    assert (skipped.outcome, skipped.reason, skipped.attempts) == (
        Outcome.SKIPPED, "they cannot read it, says Eva", 1,
    )  # fmt: skip
    assert max(Counter(each.sequence for each in endpoint.sent).values()) == 1
    assert (sender.figures.skipped, sender.figures.delivered) == (1, 30)


async def test_a_fault_in_a_channel_stops_its_ward_and_repeats_nothing() -> None:
    """An exception in a channel sent three notices fifteen times in 4.5 s, without a receipt."""

    def answer(out: Outgoing) -> AttemptResult:
        if out.sequence == 1:
            raise ZeroDivisionError("text of a notice")
        return TAKEN

    log, endpoint = MemoryLog(), Endpoint(answer)
    log.append([queued("s", ward, number) for number, ward in enumerate("ABCA", 1)])
    sender = sender_to(endpoint, terms=RetryTerms(refused_after_s=0.1, first_pause_s=0.02))
    async with dispatching(log, sender):
        await until(lambda: len(receipts(log)) >= 2)
        trouble = sender.standing().trouble or ""
        assert trouble.startswith("ZeroDivisionError in the channel: a fault of this program")
        await until(lambda: len(receipts(log)) == 4)
    parked = next(each for each in receipts(log) if each.sequence == 1)
    assert parked.outcome is Outcome.PARKED
    assert "text of a notice" not in (parked.reason or "")
    others = [each.sequence for each in endpoint.sent if each.sequence != 1]
    assert sorted(others) == [2, 3, 4]


async def test_a_pause_and_its_end_send_nothing_again() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    sender = sender_to(endpoint)
    log.append([queued("s", f"W{n % 5}", n) for n in range(1, 101)])
    async with dispatching(log, sender) as dispatcher:
        await until(lambda: len(endpoint.taken) >= 20)
        sender.pause("moving house, says Eva")
        await dispatcher.keep()
        held = len(endpoint.taken)
        log.append([queued("s", f"W{n % 5}", n) for n in range(101, 151)])
        await until(lambda: state(log).sequence == 150)
        assert len(endpoint.taken) == held
        assert sender.standing().trouble == f"{BY_HAND}: moving house, says Eva"
        sender.resume()
        await until(lambda: len(receipts(log)) == 150)
    assert sorted(endpoint.numbers()) == list(range(1, 151))


async def test_a_stop_waits_for_what_is_under_way() -> None:
    log, endpoint = MemoryLog(), Hanging(lambda o: o.sequence == 1)
    log.append([queued("s", "A", 1), queued("s", "A", 2)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: endpoint.sent)
        asyncio.get_running_loop().call_later(0.1, endpoint.go.set)
    assert [each.sequence for each in receipts(log)] == [1]
    again = Endpoint()
    async with dispatching(log, sender_to(again)):
        await until(lambda: len(receipts(log)) == 2)
    assert again.numbers() == [2]


async def test_many_restarts_send_each_notice_once() -> None:
    log, endpoint, numbers = MemoryLog(), Endpoint(), count(1)
    for _ in range(10):
        log.append([queued("s", f"W{n % 3}", n) for n in (next(numbers) for _ in range(50))])
        async with dispatching(log, sender_to(endpoint)):
            await until(has_taken(endpoint, len(endpoint.taken) + 11))
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 500)
    assert sorted(endpoint.numbers()) == list(range(1, 501))


def has_taken(endpoint: Endpoint, number: int) -> Callable[[], bool]:
    return lambda: len(endpoint.taken) >= number


# -- endpoints, and who is told


async def test_what_is_not_taken_in_time_is_parked_and_the_next_goes_out() -> None:
    log, endpoint = MemoryLog(), refusing(1)
    log.append([queued("s", "A", 1), queued("s", "A", 2)])
    async with dispatching(
        log, sender_to(endpoint, terms=RetryTerms(0.0, 0.0, 0.001, 0.01))
    ) as at_work:
        await until(lambda: len(receipts(log)) == 2)
        figures = at_work.senders["s"].figures
    first, second = receipts(log)
    assert (first.outcome, first.reason, first.status) == (Outcome.PARKED, "answered 500", 500)
    assert (second.outcome, second.reason) == (Outcome.DELIVERED, None)
    assert (figures.parked, figures.delivered) == (1, 1)


async def test_gone_pauses_until_another_endpoint_is_configured() -> None:
    gone = AttemptResult("410 Gone", 410, gone=True)
    log, endpoint = MemoryLog(), Endpoint(lambda o: gone if o.sequence == 2 else TAKEN)
    log.append([queued("s", "A", number) for number in range(1, 4)])
    sender = sender_to(endpoint)
    async with dispatching(log, sender):
        await until(lambda: sender.standing().trouble == GONE)
    assert (endpoint.numbers(), state(log).paused) == ([1], GONE)
    async with dispatching(log, same := sender_to(again := Endpoint())):
        await until(lambda: same.standing().trouble == GONE)
    assert again.sent == []
    async with dispatching(log, sender_to(elsewhere := Endpoint(name="elsewhere"))):
        await until(lambda: len(receipts(log)) == 3)
    assert elsewhere.numbers() == [2, 3]
    assert state(log).paused is None


async def test_a_person_says_that_an_endpoint_which_was_gone_is_there_again() -> None:
    gone, calls = AttemptResult("410 Gone", 410, gone=True), count(1)
    log, endpoint = MemoryLog(), Endpoint(lambda _: gone if next(calls) == 1 else TAKEN)
    log.append([queued("s", "A", number) for number in range(1, 4)])
    sender = sender_to(endpoint)
    async with dispatching(log, sender):
        await until(lambda: sender.standing().trouble == GONE)
        sender.resume()
        await until(lambda: len(receipts(log)) == 3)
    assert endpoint.numbers() == [1, 2, 3]


async def test_a_pause_by_hand_outlives_a_restart_and_another_endpoint() -> None:
    log = MemoryLog()
    async with dispatching(log, sender := sender_to(Endpoint())) as dispatcher:
        await until(lambda: sender.account)
        sender.pause("moving house")
        await dispatcher.keep()
    log.append([queued("s", "A", 1)])
    sender = sender_to(elsewhere := Endpoint(name="elsewhere"))
    async with dispatching(log, sender):
        await until(lambda: state(log).sequence == 1)
        assert sender.standing().trouble == f"{BY_HAND}: moving house"
        assert elsewhere.sent == []
        sender.resume()
        await until(lambda: len(receipts(log)) == 1)


async def test_what_may_not_be_told_any_more_has_a_receipt_and_is_not_sent() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", ward, number) for number, ward in enumerate("AB", 1)])
    async with dispatching(log, sender_to(endpoint, may_read=lambda ward, _: ward == "B")):
        await until(lambda: len(receipts(log)) == 2)
    withheld = next(each for each in receipts(log) if each.ward == "A")
    assert (withheld.outcome, withheld.reason, withheld.attempts) == (
        Outcome.SKIPPED, NOT_ALLOWED, 0,
    )  # fmt: skip
    assert endpoint.numbers() == [2]


async def test_a_notice_sent_again_by_hand_keeps_its_number_and_takes_none() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", 1), queued("s", "A", 2), queued("s", "A", 1, sequence=1)])
    log.append([queued("s", "A", 3)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 4)
    assert endpoint.numbers() == [1, 2, 1, 3]
    assert state(log).sequence == 3


async def test_whoever_comes_later_is_sent_what_was_queued_and_whoever_goes_loses_nothing() -> None:
    log, endpoint = MemoryLog(), Endpoint(name="one")
    log.append([queued("s", f"W{n % 3}", n) for n in range(1, 31)])
    async with dispatching(log) as dispatcher:
        await until(lambda: states(log).get("s", SubscriberState(subscriber="s")).sequence == 30)
        await dispatcher.add(first := sender_to(endpoint))
        await until(lambda: len(receipts(log)) == 30)
        await dispatcher.remove(first)
        assert endpoint.is_closed
        log.append([queued("s", f"W{n % 3}", n) for n in range(31, 61)])
        await until(lambda: state(log).sequence == 60)
        await dispatcher.add(sender_to(other := Endpoint(name="other")))
        await until(lambda: len(receipts(log)) == 60)
    assert sorted(other.numbers()) == list(range(31, 61))


async def test_who_is_new_is_sent_a_test_notice_once_and_its_answer_is_kept() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    endpoint.tested = AttemptResult("answered 500", 500)
    async with dispatching(log, sender := sender_to(endpoint)):
        await until(lambda: "s" in states(log) and state(log).introduced)
        tried = sender.standing().tried
    assert tried is not None
    assert (tried.refusal, tried.status) == ("answered 500", 500)
    log.append([queued("s", "A", 1)])
    async with dispatching(log, sender_to(again := Endpoint())):
        await until(lambda: len(receipts(log)) == 1)
    assert (len(endpoint.tests), again.tests) == (1, [])
    assert endpoint.tests[0].startswith("test-")
    assert len(endpoint.tests[0]) <= 20  # MSH-10
    async with dispatching(log, sender_to(other := Endpoint(name="other"))):
        await until(lambda: len(other.tests) == 1 and state(log).introduced)
    tried = state(log).tried
    assert tried is not None
    assert tried.refusal is None


# -- what is kept no longer


async def test_after_an_absence_longer_than_notices_are_kept_a_number_is_left_out() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    log.append([queued("s", "A", 1)])
    async with dispatching(log, sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 1)
    log.append([queued("s", "A", 2), queued("s", "A", 3)])
    log.forget(topics.OUTGOING)
    log.append([queued("s", "A", 4)])
    async with dispatching(log, sender := sender_to(endpoint)):
        await until(lambda: len(receipts(log)) == 2)
    assert endpoint.numbers() == [1, 3]
    assert sender.figures.lost == 1


async def test_what_was_left_and_is_kept_no_longer_is_counted_as_lost() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    sender = sender_to(endpoint)
    async with dispatching(log, sender) as dispatcher:
        await until(lambda: sender.account)
        sender.pause("away for months")
        await dispatcher.keep()
        log.append([queued("s", "A", number) for number in range(1, 6)])
        await until(lambda: state(log).sequence == 5)
        log.forget(topics.OUTGOING)
        log.append([queued("s", "A", 6)])
        await until(lambda: state(log).sequence == 6)
        sender.resume()
        await until(lambda: len(receipts(log)) == 1)
    assert endpoint.numbers() == [6]
    assert sender.figures.lost == 5


# -- the process


async def test_a_newer_owner_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    log.append([queued("s", "A", 1)])

    def fenced(*_: object) -> None:
        raise LogFencedError("a newer owner")

    monkeypatch.setattr(log, "commit", fenced)
    dispatcher = Dispatcher(log)
    await dispatcher.add(sender_to(Endpoint()))
    with pytest.raises(LogFencedError):
        await dispatcher.run()
    await dispatcher.stop(0.0)
