"""Work that takes longer than a group waits for a silent member: kept by a word, else given up whole."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka import KafkaLog, KafkaSettings
from bus.port import Log, LogError, LogFencedError, Record, TopicPartition
from schemas import topics
from tests.bus.engines import one_broker
from tests.support.kafka import brokers

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
    stop=stop_after_delay(180), reraise=True,
)  # fmt: skip
def _until_lost(log: Log) -> None:
    assert not log.keep("g")
