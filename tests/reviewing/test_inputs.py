"""The bytes of inputs are found by the time of their receipt, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.memory import MemoryLog
from bus.port import Log, Record, Stored, TopicPartition
from schemas import topics
from tests.bus.engines import ENGINES, Engine, KafkaEngine, SqliteEngine
from tests.reviewing.saying import AT, REALM, after
from wardbridge.reviewing.inputs import CLOCKS_APART, FAR_BETWEEN, LONGEST_WAY, find


def raw(name: str, topic: str = topics.RAW) -> Record:
    return Record(topic, REALM, name, name.encode(), (("feed", b"hl7"),))


class Timed(MemoryLog):
    """Takes records at the times that it is told, and counts those that are looked at."""

    def __init__(self) -> None:
        self.now = AT
        self.looked_at = 0
        super().__init__(clock_ms=lambda: int(self.now.timestamp() * 1000))

    def take(self, moment: datetime, *records: Record) -> None:
        self.now = moment
        self.append(records)

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        found = super().scan(at, offset, limit)
        self.looked_at += len(found) if at.topic == topics.RAW else 0
        return found


SECONDS = st.integers(0, 20_000)


@given(
    st.lists(SECONDS, max_size=40),
    st.lists(st.integers(-59, 899), min_size=40, max_size=40),
    st.sets(st.integers(0, 39)),
)
def test_each_is_found_however_clocks_differ(
    seconds: list[int], late: list[int], wanted: set[int]
) -> None:
    """``late``: how much later than its receipt the log took an input, by its own clock."""
    log = Timed()
    inputs = sorted(
        ((s + late[n], n, s) for n, s in enumerate(sorted(seconds))), key=lambda i: i[0]
    )
    for taken_at, number, _ in inputs:
        log.take(after(taken_at), raw(str(number)))
    times = {str(number): after(s) for _, number, s in inputs if number in wanted}
    found = find(log, REALM, {**times, "gone": after(3)})
    assert {name: stored.value for name, stored in found.items()} == {
        name: name.encode() for name in times
    }


def test_what_lies_far_between_is_not_looked_at() -> None:
    log = Timed()
    for minute in range(60 * 24):
        log.take(AT + timedelta(minutes=minute), *(raw(f"{minute}-{n}") for n in range(20)))
    wanted = {f"{minute}-7": AT + timedelta(minutes=minute) for minute in (3, 700, 1400)}
    found = find(log, REALM, wanted)
    assert found.keys() == wanted.keys()
    assert log.looked_at < 20_000
    near = {f"{minute}-7": AT + timedelta(minutes=minute) for minute in range(100, 200)}
    log.looked_at = 0
    assert find(log, REALM, near).keys() == near.keys()
    assert log.looked_at < 6_000, "one walk, not one for each"


def test_those_that_raw_keeps_no_longer_are_in_held() -> None:
    log = Timed()
    log.take(AT, raw("old"), raw("older"))
    log.forget(topics.RAW)
    log.take(AT, raw("new"), raw("old", topics.HELD))
    wanted = dict.fromkeys(("old", "older", "new"), AT)
    assert find(log, REALM, wanted).keys() == {"old", "new"}
    assert find(log, REALM, {}) == {}


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kind = ENGINES[request.param]
    needed = [topics.RAW, topics.HELD]
    made = KafkaEngine(tmp_path, needed) if kind is KafkaEngine else kind(tmp_path)
    yield made
    made.close()


def test_on_every_engine(engine: Engine) -> None:
    log: Log = engine(2)
    log.append([raw(str(number)) for number in range(50)])
    first = log.scan(TopicPartition(topics.RAW, log.partition_of(topics.RAW, REALM)), 0, 1)[0]
    at = datetime.fromtimestamp(first.timestamp_ms / 1000, AT.tzinfo)
    found = find(log, REALM, {"7": at, "49": at, "gone": at})
    assert {name: stored.value for name, stored in found.items()} == {"7": b"7", "49": b"49"}
    assert isinstance(engine, SqliteEngine) or found["7"].headers == (("feed", b"hl7"),)
    assert CLOCKS_APART < FAR_BETWEEN < LONGEST_WAY
