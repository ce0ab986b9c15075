"""The step runner on every engine: one commit, no half state, no record that stops a partition."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count

import pytest
from structlog.testing import capture_logs

from bus.memory import MemoryLog
from bus.port import (
    MAX_RECORD_BYTES,
    Log,
    LogError,
    LogFencedError,
    LogFullError,
    PositionLostError,
    Record,
    RecordTooLargeError,
    Stored,
    TopicPartition,
)
from bus.runner import BATCH_RECORDS, RunnerFigures, StepRunner, run_in_thread
from schemas.topics import AUTHORITY, DESIGNATIONS, RAW, REVIEW, STATE, TICKS
from tests.bus.conftest import Engine
from tests.bus.test_contract import REALMS, raw, texts


class Counting:
    """Counts records by value; changes its state in place before it may raise."""

    state_topics = (STATE,)

    def __init__(self, inputs: Sequence[str] = (RAW, AUTHORITY)) -> None:
        self.inputs = inputs
        self.restored = self.decided = 0

    def empty(self, partition: int) -> dict[str, int]:
        assert partition >= 0
        return {}

    def restore(self, state: dict[str, int], stored: Stored) -> None:
        self.restored += 1
        state[stored.key or ""] = int(stored.value or b"0")

    def decide(self, state: dict[str, int], stored: Stored) -> Sequence[Record]:
        word = (stored.value or b"").decode()
        self.decided += 1
        if word.startswith("-"):
            del state[word[1:]]
            return [Record(STATE, "r", word[1:], None)]
        state[word] = count = state.get(word, 0) + 1
        if word == "poison":
            raise ZeroDivisionError(word)
        if word == "huge":
            return [Record(DESIGNATIONS, "r", word, b"x" * (MAX_RECORD_BYTES + 1))]
        return [
            Record(STATE, "r", word, str(count).encode()),
            Record(DESIGNATIONS, "r", word, f"{word}{count}".encode()),
        ]


class Realms(Counting):
    """Writes where it reads: state and outputs have the input's own route."""

    def decide(self, state: dict[str, int], stored: Stored) -> Sequence[Record]:
        return [
            Record(each.topic, stored.key or "", each.key, each.value)
            for each in super().decide(state, stored)
        ]


def to_review(stored: Stored, error: Exception) -> Sequence[Record]:
    return [Record(REVIEW, "r", str(stored.offset), f"{type(error).__name__}: {error}".encode())]


def counting_runner(log: Log) -> StepRunner[dict[str, int]]:
    return StepRunner(log, "g", Counting(), to_review)


def told(log: Log, partition: int = 0) -> list[str]:
    return texts(log.scan(TopicPartition(DESIGNATIONS, partition), 0, 1000))


def test_outputs_state_and_positions_survive_a_restart(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), raw("r", "b"), raw("r", "a")])
    counting_runner(log).run_once()
    log.append([raw("r", "a")])
    log.rewind("g")
    step = Counting()
    runner = StepRunner(log, "g", step, to_review)
    assert runner.run_once() == 1
    assert step.restored == 2
    assert told(log) == ["a1", "b1", "a2", "a3"]


def test_a_step_that_raises_sends_its_record_to_review_and_keeps_no_half_state(
    engine: Engine,
) -> None:
    log = engine(1)
    words = ["a", "poison", "a", "huge"]
    log.append([raw("r", word) for word in words])
    runner = counting_runner(log)
    runner.run_once()
    assert told(log) == ["a1", "a2"]
    found = log.scan(TopicPartition(REVIEW, 0), 0, 10)
    assert [s.key for s in found] == ["1", "3"]
    assert texts(found)[0] == "ZeroDivisionError: poison"
    assert texts(found)[1].startswith("RecordTooLargeError: ")
    rows = log.load(TopicPartition(STATE, 0))
    assert [s.key for s in rows if not (s.key or "").startswith("%")] == ["a"]
    assert (runner.figures().failures, runner.figures().unreviewed) == (2, 0)


def test_records_that_raise_cost_little_and_what_was_decided_before_is_told_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, loads = engine(1), list[TopicPartition]()
    log.append([raw("r", word) for word in ("a", "b", "b")])
    step = Counting()
    runner = StepRunner(log, "g", step, to_review)
    runner.run_once()
    load, step.decided = log.load, 0

    def counted(at: TopicPartition) -> Iterator[Stored]:
        loads.append(at)
        return load(at)

    monkeypatch.setattr(log, "load", counted)
    words = ["poison", "a", "-b", "poison", "c", "poison", "b", "-a", "poison", "a", "c"]
    log.append([raw("r", word) for word in words])
    assert runner.run_once() == 6, "the third that raises ends the batch"
    assert told(log) == ["a1", "b1", "b2", "a2", "c1"]
    assert runner.run_once() == 5
    assert told(log) == ["a1", "b1", "b2", "a2", "c1", "b1", "a1", "c2"]
    assert (step.decided, len(loads)) == (len(words), 2), "nothing twice, one look a batch"
    assert runner.run_once() == 0
    assert runner.figures().failures == words.count("poison")


def test_what_is_looked_up_before_a_batch_is_decided_is_no_older_than_its_records() -> None:
    """And where it cannot be looked up, nothing is decided: the batch comes again."""
    log, seen = MemoryLog(), []
    log.append([raw("r", "a")])

    def prepare() -> None:
        seen.append(log.ends(RAW)[0])
        if len(seen) == 1:
            raise LogError("not now")

    runner = StepRunner(log, "g", Counting(), to_review, prepare=prepare)
    with pytest.raises(LogError):
        runner.run_once()
    assert told(log) == []
    log.append([raw("r", "b")])
    runner.run_once()
    runner.run_once()  # nothing waits, nothing is looked up
    assert (told(log), seen) == (["a1", "b1"], [1, 2])


def test_a_review_that_fails_too_stops_nothing_and_is_counted(engine: Engine) -> None:
    def lost(stored: Stored, error: Exception) -> Sequence[Record]:
        raise KeyError(stored, error)

    log = engine(1)
    log.append([raw("r", "poison"), raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), lost)
    assert runner.run_once() == 2
    assert told(log) == ["a1"]
    assert (runner.figures().failures, runner.figures().unreviewed) == (1, 1)


class Lowered(MemoryLog):
    """Takes less than what is checked before, as a topic whose limit somebody lowered."""

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        if any(len(record.value or b"") > 1000 for record in records):
            raise RecordTooLargeError("more than the topic takes by now")
        super().commit(group, positions, records)


@pytest.mark.parametrize("words", ["Lab", "aLb", "abL", "LLa", "L"])
def test_outputs_that_the_log_does_not_take_any_more_cost_their_record_only(words: str) -> None:
    class Large(Counting):
        def decide(self, state: dict[str, int], stored: Stored) -> Sequence[Record]:
            if stored.value == b"L":
                return [Record(DESIGNATIONS, "r", "L", b"x" * 2000)]
            return super().decide(state, stored)

    log = Lowered()
    log.append([raw("r", word) for word in words])
    runner = StepRunner(log, "g", Large(), to_review)
    for _ in range(50):
        with suppress(RecordTooLargeError):
            runner.run_once()
    assert sorted(told(log)) == sorted(f"{word}1" for word in words if word != "L")
    reviews = [stored.key for stored in log.scan(TopicPartition(REVIEW, 0), 0, 10)]
    assert reviews == [str(at) for at, word in enumerate(words) if word == "L"]
    assert runner.figures().failures == words.count("L")


def test_a_state_row_that_cannot_be_read_is_named_without_its_content(engine: Engine) -> None:
    log = engine(1)
    log.append([Record(STATE, "r", "secret", b"secret")])
    runner = counting_runner(log)
    with pytest.raises(
        LogError, match=r"state row state/0/0 cannot be read: ValueError; runbook, "
    ) as raised:
        runner.run_once()
    assert raised.value.__suppress_context__
    assert "secret" not in (runner.figures().last_error or "")


def test_positions_lost_to_retention_are_skipped_where_allowed() -> None:
    log = MemoryLog()
    log.append([raw("r", "a"), Record(TICKS, "r", "r", b"1")])
    runner = StepRunner(log, "g", Counting((RAW, TICKS)), to_review, may_skip=(TICKS,))
    runner.run_once()
    log.append([Record(TICKS, "r", "r", b"2")])
    log.forget(TICKS)
    log.append([raw("r", "b"), Record(TICKS, "r", "r", b"3")])
    thread = run_in_thread(runner, "counting")
    wait_until_told(log, 4)
    runner.stop()
    thread.join(30)
    assert sorted(told(log)) == ["11", "31", "a1", "b1"]


class Shared(MemoryLog):
    """Reads what is this member's own, and refuses what it commits elsewhere."""

    mine: Collection[int] = (0, 1)

    def _partitions_of(self, topics: Sequence[str]) -> Iterator[TopicPartition]:
        return (at for at in super()._partitions_of(topics) if at.partition in self.mine)

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        if any(at.partition not in self.mine for at in positions):
            raise LogError("a partition was given to another member")
        super().commit(group, positions, records)


def test_a_member_skips_its_own_lost_positions_whatever_others_lost() -> None:
    log = Shared(2)
    mine, theirs = sorted(REALMS, key=lambda realm: log.partition_of(RAW, realm))[
        :: len(REALMS) - 1
    ]
    runner = StepRunner(log, "g", Counting((RAW, TICKS)), to_review, may_skip=(TICKS,))
    log.append([Record(TICKS, realm, realm, b"0") for realm in (mine, theirs)])
    runner.run_once()
    log.rewind("g")
    log.mine = (0,)
    log.append([Record(TICKS, realm, realm, b"1") for realm in (mine, theirs)])
    log.forget(TICKS)
    log.append([raw(mine, "a")])
    runner = StepRunner(log, "g", Counting((RAW, TICKS)), to_review, may_skip=(TICKS,))
    at = TopicPartition(DESIGNATIONS, log.partition_of(DESIGNATIONS, "r"))
    before = {at: log.ends(DESIGNATIONS)[at.partition]}
    thread = run_in_thread(runner, "counting")
    log.wait([DESIGNATIONS], before, 30)
    runner.stop()
    thread.join(30)
    assert told(log, at.partition) == ["01", "01", "a1"]


def test_a_lost_position_elsewhere_waits_for_a_person() -> None:
    log = MemoryLog()
    log.append([raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), to_review, may_skip=(TICKS,))
    runner.run_once()
    log.append([raw("r", "b")])
    log.forget(RAW)
    with pytest.raises(PositionLostError):
        runner.run_once()
    assert (runner.figures().last_error or "").startswith("PositionLostError: raw/0: offset 1 ")
    assert not runner.figures().ready


def test_a_step_that_raises_costs_no_other_partition_its_state(engine: Engine) -> None:
    log = engine(4)
    words = [(realm, word) for word in ("a", "poison", "a") for realm in REALMS]
    log.append([Record(RAW, realm, realm, word.encode()) for realm, word in words])
    runner = StepRunner(log, "g", Realms(), to_review)
    runner.run_once()
    log.append([Record(RAW, realm, realm, b"a") for realm in REALMS])
    runner.run_once()
    for partition in range(4):
        members = sum(log.partition_of(RAW, realm) == partition for realm in REALMS)
        assert told(log, partition) == [f"a{n}" for n in range(1, 3 * members + 1)]
    assert runner.figures().failures == len(REALMS)


@pytest.mark.parametrize(
    "error", [LogError("lost"), LogFullError("no room"), OSError("a surprise")]
)
def test_a_failed_commit_leaves_nothing_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = counting_runner(log)
    monkeypatch.setattr(log, "commit", failing([error], log.commit))
    with pytest.raises(type(error)):
        runner.run_once()
    assert told(log) == []
    assert not runner.figures().ready
    assert (runner.figures().last_error or "").startswith(type(error).__name__)
    assert runner.run_once() == 1
    assert told(log) == ["a1"]


def test_a_fault_that_lasts_is_said_once_and_again_after_an_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(1)
    runner = counting_runner(log)
    commit = log.commit
    faults: list[Exception] = [LogFullError("no room")] * 3 + [LogError("lost")]
    with capture_logs() as logged:
        for _ in range(2):
            log.append([raw("r", "a")])
            monkeypatch.setattr(log, "commit", failing(faults[::-1], commit))
            for fault in faults:
                with pytest.raises(type(fault)):
                    runner.run_once()
            assert runner.run_once() == 1
    said = [each["error"] for each in logged if each["event"] == "batch_failed"]
    assert said == ["LogFullError: no room", "LogError: lost"] * 2


def test_the_thread_tries_again_until_the_log_takes_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = counting_runner(log)
    commit = failing([LogFullError("no room"), LogError("not yet")], log.commit)

    def commit_and_stop(*given: object) -> None:
        commit(*given)
        runner.stop()

    monkeypatch.setattr(log, "commit", commit_and_stop)
    runner.run()
    assert told(log) == ["a1"]
    assert not runner.figures().ready


def test_a_fenced_runner_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = counting_runner(log)
    monkeypatch.setattr(log, "commit", failing([LogFencedError("a newer owner")], log.commit))
    with pytest.raises(LogFencedError):
        runner.run()
    assert told(log) == []


def test_the_figures_tell_what_was_done_and_what_waits(engine: Engine) -> None:
    log = engine(1)
    runner = counting_runner(log)
    assert runner.figures() == RunnerFigures(
        ready=False, records=0, commits=0, failures=0, unreviewed=0,
        last_commit_at=None, last_error=None,
    )  # fmt: skip
    log.append([raw("r", "a"), raw("r", "b"), Record(AUTHORITY, "r", "r", b"c")])
    assert runner.lag() == 3
    runner.run_once()
    after = runner.figures()
    assert (after.ready, after.records, after.commits, runner.lag()) == (True, 3, 1, 0)
    assert after.last_commit_at is not None


def test_a_thread_follows_the_log_until_stopped(engine: Engine) -> None:
    log = engine(1)
    runner = counting_runner(log)
    thread = run_in_thread(runner, "counting")
    for number in range(20):
        log.append([raw("r", f"w{number}")])
    wait_until_told(log, 20)
    runner.stop()
    thread.join(30)
    assert thread not in threading.enumerate()
    assert told(log) == [f"w{number}1" for number in range(20)]


def wait_until_told(log: Log, count: int) -> None:
    seen = 0
    while len(told(log)) < count:
        assert log.wait([DESIGNATIONS], {TopicPartition(DESIGNATIONS, 0): seen}, 30)
        seen = log.ends(DESIGNATIONS)[0]


def failing(errors: list[Exception], then: Callable[..., None]) -> Callable[..., None]:
    def call(*given: object) -> None:
        if errors:
            raise errors.pop()
        then(*given)

    return call


def test_a_rest_follows_what_was_all_and_a_stop_ends_it(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), to_review, rest_s=3600)
    thread = run_in_thread(runner, "test")
    assert log.wait([DESIGNATIONS], {}, 20)
    log.append([raw("r", "b")])
    thread.join(0.2)
    runner.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert told(log) == ["a1"]


def test_no_rest_follows_a_full_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    log = engine(1)
    log.append([raw("r", "a")] * (BATCH_RECORDS + 1))
    runner = StepRunner(log, "g", Counting(), to_review, rest_s=3600)
    commit, commits = log.commit, count(1)

    def commit_and_stop(*given: object) -> None:
        commit(*given)  # type: ignore[arg-type]
        if next(commits) == 2:
            runner.stop()

    monkeypatch.setattr(log, "commit", commit_and_stop)
    thread = run_in_thread(runner, "test")
    thread.join(60)
    runner.stop()
    assert len(told(log)) == BATCH_RECORDS + 1
