"""Positions, state and topics that do not belong together stop the group, on every engine."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bus.belonging import NotTogetherError
from bus.kafka import KafkaLog
from bus.mending import Mender
from bus.port import Log, LogError, Record, TopicPartition
from bus.runner import StepRunner
from bus.sqlite import SqliteLog
from schemas.topics import AUTHORITY, RAW, STATE
from tests.bus.conftest import Engine
from tests.bus.engines import KafkaEngine, SqliteEngine
from tests.bus.test_contract import raw
from tests.bus.test_runner import Counting, counting_runner, to_review, told

AT = TopicPartition(RAW, 0)


def decided(log: Log, *words: str) -> StepRunner[dict[str, int]]:
    """A runner that has decided these words."""
    log.append([raw("r", word) for word in words])
    runner = counting_runner(log)
    while runner.run_once():
        pass
    return runner


def stopped(log: Log, why: str) -> None:
    """A runner that starts now decides nothing and says why."""
    log.rewind("g")
    before = told(log)
    runner = counting_runner(log)
    for _ in range(2):  # trying again does not help either
        with pytest.raises(NotTogetherError, match=why):
            runner.run_once()
    assert told(log) == before
    assert why in (runner.figures().last_error or "")
    assert not runner.figures().ready


@pytest.mark.parametrize("moved", [-2, -1, +1])
def test_positions_that_somebody_moved(engine: Engine, moved: int) -> None:
    log = engine(1)
    decided(log, "a", "b")
    log.append([raw("r", "c"), raw("r", "d")])
    log.commit("g", {AT: log.committed("g")[AT] + moved}, ())
    stopped(log, "positions are not the state's")


def test_a_state_that_is_gone(engine: Engine) -> None:
    log = engine(1)
    decided(log, "a", "b")
    rows = list(log.load(TopicPartition(STATE, 0)))
    log.append([Record(STATE, "0", row.key, None) for row in rows])
    log.append([raw("r", "c")])
    stopped(log, "the state is gone")
    (finding,) = Mender(log, "g", Counting().inputs, STATE).findings()
    assert (finding.kind, finding.reasons) == ("state-gone", ("there is no state",))


def test_a_state_of_another_moment(engine: Engine) -> None:
    log = engine(1)
    decided(log, "a")
    older = list(log.load(TopicPartition(STATE, 0)))
    decided(log, "b")
    log.append([Record(STATE, "0", row.key, row.value) for row in older])
    stopped(log, "positions are not the state's")


def test_a_row_of_positions_that_cannot_be_read(engine: Engine) -> None:
    log = engine(1)
    decided(log, "a")
    (row,) = [r for r in log.load(TopicPartition(STATE, 0)) if (r.key or "").startswith("%")]
    for value in (b"", b"[]", b"{", b'{"raw": "x"}', b'{"raw": null}', b'{"raw": [1]}'):
        log.append([Record(STATE, "0", row.key, value)])
        stopped(log, "cannot be read")


def test_a_step_without_state_has_no_such_row(engine: Engine) -> None:
    class Stateless(Counting):
        state_topics = ()  # type: ignore[assignment] # of any length

    log = engine(1)
    log.append([raw("r", "a")])
    StepRunner(log, "g", Stateless(), to_review).run_once()
    assert [row.key for row in log.load(TopicPartition(STATE, 0))] == ["a"]


def test_every_input_counts_also_one_that_says_nothing_for_long(engine: Engine) -> None:
    log = engine(1)
    log.append([Record(AUTHORITY, "r", "r", b"first")])
    decided(log, "a")
    for word in "bcd":
        decided(log, word)
    log.rewind("g")
    assert counting_runner(log).run_once() == 0
    log.commit("g", {TopicPartition(AUTHORITY, 0): 0}, ())
    stopped(log, "authority: position 0, state 1")


def mended(log: Log) -> list[str]:
    """What was mended; nothing is wrong afterwards."""
    log.rewind("g")
    mender = Mender(log, "g", Counting().inputs, STATE)
    found = [each for each in mender.findings() if each.reasons]
    for each in found:
        assert each.kind == "mendable"
        mender.mend(each)
    # A commit that has returned shows itself a little later; nothing undoes it.
    shown = Retrying(retry=retry_if_result(bool), stop=stop_after_delay(180), wait=wait_fixed(0.02))
    shown(lambda: {each.kind for each in mender.findings()} - {"together"})
    log.leave("g")
    return [reason for each in found for reason in each.reasons]


@pytest.mark.parametrize("moved", [-2, -1, +1])
def test_moved_positions_are_mended_and_nothing_is_lost_or_told_twice(
    engine: Engine, moved: int
) -> None:
    log = engine(1)
    decided(log, "a", "b")
    log.append([raw("r", "c"), raw("r", "d")])
    log.commit("g", {AT: log.committed("g")[AT] + moved}, ())
    log.leave("g")
    assert mended(log) == [f"raw: position {2 + moved} becomes 2"]
    counting_runner(log).run_once()
    assert told(log) == ["a1", "b1", "c1", "d1"]


def test_what_belongs_together_is_left_alone(engine: Engine) -> None:
    log = engine(1)
    assert mended(log) == []
    decided(log, "a")
    log.leave("g")
    assert mended(log) == []


# -- what only one engine can suffer ---------------------------------------------------------------


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaEngine]:
    made = KafkaEngine(tmp_path)
    yield made
    made.close()


def test_positions_that_the_brokers_forgot_are_those_of_the_state(
    sqlite_engine: SqliteEngine,
) -> None:
    """As brokers do when nobody of the group has been there for a week."""
    log = sqlite_engine(1)
    decided(log, "a", "b")
    change(log, "DELETE FROM position")
    again = sqlite_engine.reopen(log)
    again.append([raw("r", "c")])
    runner = counting_runner(again)
    with pytest.raises(LogError, match="goes on at the positions that its state has"):
        runner.run_once()
    assert runner.run_once() == 1
    assert told(again) == ["a1", "b1", "c1"]


@pytest.mark.parametrize("words_since", [0, 1, 5])
def test_a_topic_made_anew_is_noticed_whatever_it_holds_by_now(
    kafka: KafkaEngine, words_since: int
) -> None:
    log = kafka(1)
    assert isinstance(log, KafkaLog)
    decided(log, "a", "b", "c")
    log.close()
    kafka.admin.delete_topics([log.settings.topic(RAW)])
    again = kafka.reopen(log)  # makes the topic
    for number in range(words_since):
        again.append([raw("r", str(number))])
    stopped(again, "made anew")
    again.leave("g")
    assert mended(again) == [
        "raw: was made anew, and is read from its beginning",
        "raw: position none becomes 0",
    ]
    runner = counting_runner(again)
    runner.run_once(5.0)
    assert told(again)[3:] == [f"{number}1" for number in range(words_since)]


def test_a_file_whose_positions_lie_beyond_its_end(sqlite_engine: SqliteEngine) -> None:
    log = sqlite_engine(1)
    log.append([raw("r", "a")])
    log.commit("h", log.read("h", [RAW], 10, 0.0).positions, ())
    change(log, "UPDATE position SET next = next + 1000")
    again = sqlite_engine.reopen(log)
    with pytest.raises(NotTogetherError, match="beyond the end"):
        again.read("h", [RAW], 10, 0.0)


def change(log: Log, statement: str) -> None:
    """What somebody does to the file while nobody has it."""
    assert isinstance(log, SqliteLog)
    log.close()
    with closing(sqlite3.connect(log.path)) as connection, connection:
        connection.execute(statement)
