"""Work that takes longer than a group waits for a silent member: kept by a word, else given up whole."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka import KafkaLog, KafkaSettings
from bus.port import Log, LogError, LogFencedError, Record, TopicPartition
from router.delivery.attempts import Terms
from router.delivery.sender import Sender
from router.delivery.webhook import Endpoint, Webhook
from schemas import topics
from schemas.delivery import Delivery
from tests.bus.engines import one_broker
from tests.delivery.notices import queued
from tests.delivery.test_sender import looping
from tests.support.kafka import brokers
from tests.support.receiver import Behaviour, Call, Receiver, answering, hanging

SILENCE_S = 3.0
AT = TopicPartition(topics.RAW, 0)
WARDS = ("W1", "W2", "W1", "W2", "W1")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def settings() -> KafkaSettings:
    return one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", silence_s=SILENCE_S)


@contextmanager
def opened(settings: KafkaSettings, instance: str = "1") -> Iterator[KafkaLog]:
    log = KafkaLog(one_broker(settings.brokers, prefix=settings.prefix, instance=instance,
                              silence_s=settings.silence_s))  # fmt: skip
    try:
        yield log
    finally:
        log.close()


@pytest.mark.parametrize("says_so", [True, False])
def test_a_batch_that_takes_long_can_be_committed_if_the_log_is_told(
    settings: KafkaSettings, *, says_so: bool
) -> None:
    silence = threading.Event()
    with opened(settings) as log:
        log.append([Record(topics.RAW, "r", None, b"one")])
        batch = log.read("g", [topics.RAW], 10, 0.0)
        for _ in range(10):
            silence.wait(SILENCE_S / 5)
            if says_so:
                assert log.keep("g")
        if says_so:
            log.commit("g", batch.positions, ())
            assert log.committed("g") == {AT: 1}
        else:
            with pytest.raises(LogError, match="place in the group was lost") as refused:
                log.commit("g", batch.positions, ())
            assert not isinstance(refused.value, LogFencedError), "nobody took over"
            assert not log.keep("g")
            log.rewind("g")
            assert log.read("g", [topics.RAW], 10, 0.0).records == batch.records


def test_what_was_read_is_lost_to_a_member_that_takes_over(settings: KafkaSettings) -> None:
    with opened(settings, "2") as first, opened(settings, "1") as second:
        first.append([Record(topics.RAW, "r", None, b"one")])
        batch = first.read("g", [topics.RAW], 10, 0.0)
        taken: list[bytes | None] = []
        thread = threading.Thread(
            target=lambda: taken.extend(
                each.value for each in second.read("g", [topics.RAW], 10, 5.0).records
            )
        )
        thread.start()
        _until_lost(first)
        with pytest.raises(LogError, match=r"given to another|was lost"):
            first.commit("g", batch.positions, ())
        first.read("g", [topics.RAW], 10, 0.0)
        thread.join()
        assert taken == [b"one"]


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05),
    stop=stop_after_delay(20), reraise=True,
)  # fmt: skip
def _until_lost(log: Log) -> None:
    assert not log.keep("g")


class HangsAtFirst:
    """Says nothing until told to; then takes everything."""

    def __init__(self) -> None:
        self.recovered = threading.Event()

    def __call__(self, _: Call) -> Behaviour:
        return answering(204) if self.recovered.is_set() else hanging


@pytest.mark.parametrize("instances", [("1",), ("2", "1")], ids=len)
def test_a_receiver_that_hangs_for_longer_is_told_everything_once_it_answers(
    settings: KafkaSettings, instances: Sequence[str]
) -> None:
    """The first process has the notices in hand; one that comes before it in the group's order joins."""
    behaviour = HangsAtFirst()
    silence = threading.Event()
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(behaviour))
        first, *others = [stack.enter_context(opened(settings, name)) for name in instances]
        first.append([queued("s", ward, number) for number, ward in enumerate(WARDS, 1)])
        senders = [stack.enter_context(at_work(first, receiver))]
        receiver.wait_for(lambda receiver: len(receiver.calls) >= 2)
        senders += [stack.enter_context(at_work(log, receiver)) for log in others]
        silence.wait(2.5 * SILENCE_S)
        behaviour.recovered.set()
        told = _until_told(first)
        assert [sender.is_alive() for sender in senders] == [True] * len(instances)
    numbers = [call.sequence for call in receiver.taken]
    assert [each.sequence for each in told] == [1, 2, 3, 4, 5], "one receipt for each"
    assert {call.sequence: call.event["id"] for call in receiver.taken} == {
        each.sequence: each.event for each in told
    }
    for ward in WARDS:
        own = [call.sequence for call in receiver.taken if call.event["subject"] == ward]
        assert list(dict.fromkeys(own)) == sorted(set(own))
    assert len(numbers) <= len(WARDS) * len(instances)


@contextmanager
def at_work(log: Log, receiver: Receiver) -> Iterator[threading.Thread]:
    """A subscriber's sender, as one delivery process has it."""
    endpoint = Endpoint(receiver.url, [b"0" * 32], timeout_s=0.5, allow_private=True)
    terms = Terms(first_pause_s=0.01, longest_pause_s=0.1)
    with looping() as loop:
        channel = Webhook("s", endpoint)
        sender = Sender(log, "s", channel, terms)
        thread = threading.Thread(target=sender.run, args=(loop,))
        thread.start()
        try:
            yield thread
        finally:
            sender.stop()
            thread.join()
            asyncio.run_coroutine_threadsafe(channel.close(), loop).result()


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.1),
    stop=stop_after_delay(60), reraise=True,
)  # fmt: skip
def _until_told(log: Log) -> list[Delivery]:
    at = TopicPartition(topics.DELIVERIES, 0)
    told = [Delivery.model_validate_json(each.value or b"") for each in log.scan(at, 0, 100)]
    assert len(told) >= len(WARDS)
    return told
