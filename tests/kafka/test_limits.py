"""A topic whose limit somebody lowered refuses the large record only, and readiness says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka import KafkaLog
from bus.port import LogError, Record, RecordTooLargeError, TopicPartition
from schemas.topics import DESIGNATIONS, OBSERVATIONS, RAW, TICKS
from tests.bus.engines import KafkaEngine
from tests.support.kafka import alter_topic
from wardbridge.routing.ticker import Ticker

LOWERED = 1_000
LARGE = 5_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[KafkaEngine]:
    made = KafkaEngine(tmp_path)
    yield made
    made.close()


def record(size: int, topic: str = RAW) -> Record:
    return Record(topic, "r", "k", b"x" * size)


def append(log: KafkaLog, *sizes: int, topic: str = RAW) -> None:
    log.append([record(size, topic) for size in sizes])


def lowered(engine: KafkaEngine) -> KafkaLog:
    """A log at work when the limit of its topic is lowered."""
    log = engine(1)
    assert isinstance(log, KafkaLog)
    append(log, 10, LARGE)
    assert log.trouble() is None
    alter_topic(engine.admin, log.settings.topic(RAW), "max.message.bytes", str(LOWERED))
    return log


def learnt(log: KafkaLog) -> None:
    """The first large record breaks the producer; a new one is there at once."""
    with pytest.raises(RecordTooLargeError):
        append(log, LARGE)
    again = Retrying(
        retry=retry_if_exception_type(LogError), stop=stop_after_delay(180), wait=wait_fixed(0.05),
        reraise=True,
    )  # fmt: skip
    again(lambda: append(log, 10, topic=OBSERVATIONS))


def test_only_the_large_record_is_refused(engine: KafkaEngine) -> None:
    log = lowered(engine)
    learnt(log)
    before = log.ends(RAW)[0]
    for _ in range(3):
        with pytest.raises(RecordTooLargeError, match=r"--add-config max.message.bytes=1000000"):
            append(log, LARGE)
        append(log, 10)
        with pytest.raises(RecordTooLargeError):
            append(log, 10, LARGE, 10)
        append(log, *[600] * 20)  # more together than the topic takes at once
        append(log, LARGE, topic=OBSERVATIONS)
    assert log.ends(RAW)[0] - before == 3 * 21


def test_a_commit_is_refused_for_itself(engine: KafkaEngine) -> None:
    log = lowered(engine)
    learnt(log)
    with pytest.raises(RecordTooLargeError):
        log.commit("g", {TopicPartition(TICKS, 0): 0}, [record(LARGE)])
    log.commit("g", {}, [record(10), record(LARGE, DESIGNATIONS)])
    assert TopicPartition(TICKS, 0) not in log.committed("g")


def test_a_service_starts_and_says_what_is_to_be_done(engine: KafkaEngine) -> None:
    log = engine.reopen(lowered(engine))
    with pytest.raises(RecordTooLargeError):
        append(log, LARGE)  # type: ignore[arg-type]
    append(log, 10)  # type: ignore[arg-type]
    ticker = Ticker(log, [], 1.0, lambda: pytest.fail("no time is asked for"))
    assert "max.message.bytes is 1000, not 1000000" in (ticker.blocking() or "")
