"""What the engines of one machine promise beyond the port: a group catches up in order of time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bus.local import LocalLog
from bus.memory import MemoryLog
from bus.port import Record, TopicPartition
from bus.sqlite import SqliteLog
from bus.sqlite.timing import Timing
from schemas.topics import OBSERVATIONS, RAW, TICKS
from tests.bus.engines import Clock
from tests.bus.test_contract import texts

Make = Callable[[Path, Clock], LocalLog]


def in_memory(_folder: Path, clock: Clock) -> LocalLog:
    return MemoryLog(clock_ms=clock)


def in_a_file(folder: Path, clock: Clock) -> LocalLog:
    return SqliteLog.open(folder / "log.db", timing=Timing(clock))


def say(log: LocalLog, clock: Clock, topic: str, text: str) -> None:
    clock.now_ms += 1000
    log.append([Record(topic, "r", None, text.encode())])


@pytest.mark.parametrize("make", [in_memory, in_a_file])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_tick_does_not_overtake_what_was_said_before_it(
    tmp_path: Path, make: Make, limit: int
) -> None:
    clock = Clock()
    log = make(tmp_path, clock)
    for number in range(6):
        say(log, clock, OBSERVATIONS, f"o{number}")
        if number % 2:
            say(log, clock, TICKS, f"t{number}")
    found = list[str]()
    while batch := log.read("g", [TICKS, OBSERVATIONS], limit, 0.0).records:
        found += texts(batch)
    assert found == ["o0", "o1", "t1", "o2", "o3", "t3", "o4", "o5", "t5"]
    log.close()


@pytest.mark.parametrize("make", [in_memory, in_a_file])
def test_a_clock_set_back_changes_no_order_within_a_partition(tmp_path: Path, make: Make) -> None:
    clock = Clock()
    log = make(tmp_path, clock)
    for number in range(5):
        clock.now_ms -= 5000
        say(log, clock, RAW, f"r{number}")
    say(log, clock, TICKS, "t")
    found = texts(log.read("g", [TICKS, RAW], 100, 0.0).records)
    assert [text for text in found if text != "t"] == ["r0", "r1", "r2", "r3", "r4"]
    assert "t" in found
    log.close()


@pytest.mark.parametrize("make", [in_memory, in_a_file])
def test_what_did_not_fit_into_a_batch_is_read_next(tmp_path: Path, make: Make) -> None:
    clock = Clock()
    log = make(tmp_path, clock)
    say(log, clock, RAW, "r")
    say(log, clock, TICKS, "t")
    first = log.read("g", [TICKS, RAW], 1, 0.0)
    assert (texts(first.records), first.positions) == (["r"], {TopicPartition(RAW, 0): 1})
    log.commit("g", first.positions, [])
    log.rewind("g")
    second = log.read("g", [TICKS, RAW], 1, 0.0)
    assert (texts(second.records), second.positions) == (["t"], {TopicPartition(TICKS, 0): 1})
    log.close()
