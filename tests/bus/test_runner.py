"""The step runner on every engine: one commit, no half state, no record that stops a partition."""

from collections.abc import Sequence

import pytest

from bus.port import LogError, Record, Stored, TopicPartition
from bus.runner import StepRunner
from schemas.topics import DESIGNATIONS, RAW, REVIEW, STATE
from tests.bus.conftest import Engine
from tests.bus.test_contract import raw, texts


class Counting:
    """Counts records by value; changes its state in place before it may raise."""

    inputs = (RAW,)
    state_topics = (STATE,)

    def __init__(self) -> None:
        self.restored = 0

    def empty(self, partition: int) -> dict[str, int]:
        assert partition >= 0
        return {}

    def restore(self, state: dict[str, int], stored: Stored) -> None:
        self.restored += 1
        state[stored.key or ""] = int(stored.value or b"0")

    def decide(self, state: dict[str, int], stored: Stored) -> Sequence[Record]:
        word = (stored.value or b"").decode()
        state[word] = count = state.get(word, 0) + 1
        if word == "poison":
            raise ZeroDivisionError
        return [
            Record(STATE, "r", word, str(count).encode()),
            Record(DESIGNATIONS, "r", word, f"{word}{count}".encode()),
        ]


def to_review(stored: Stored, error: Exception) -> Sequence[Record]:
    return [Record(REVIEW, "r", str(stored.offset), type(error).__name__.encode())]


def test_outputs_state_and_positions_survive_a_restart(engine: Engine) -> None:
    log = engine(1)
    log.append([raw("r", "a"), raw("r", "b"), raw("r", "a")])
    StepRunner(log, "g", Counting(), to_review).run_once()
    log.append([raw("r", "a")])
    log.rewind("g")
    step = Counting()
    runner = StepRunner(log, "g", step, to_review)
    assert runner.run_once() == 1
    assert step.restored == 2
    assert texts(log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)) == ["a1", "b1", "a2", "a3"]
    assert runner.lag() == 0


def test_a_step_that_raises_sends_its_record_to_review_and_keeps_no_half_state(
    engine: Engine,
) -> None:
    log = engine(1)
    log.append([raw("r", "a"), raw("r", "poison"), raw("r", "a"), raw("r", "poison")])
    runner = StepRunner(log, "g", Counting(), to_review)
    runner.run_once()
    assert texts(log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)) == ["a1", "a2"]
    assert [s.key for s in log.scan(TopicPartition(REVIEW, 0), 0, 10)] == ["1", "3"]
    assert [s.key for s in log.load(TopicPartition(STATE, 0))] == ["a"]
    assert runner.figures.failures == 2


def test_a_failed_commit_leaves_nothing_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = engine(1)
    log.append([raw("r", "a")])
    runner = StepRunner(log, "g", Counting(), to_review)
    commit, failures = log.commit, [LogError("no room")]

    def fail_once(*given: object) -> None:
        if failures:
            runner.stop() if len(failures) > 1 else None
            raise failures.pop()
        commit(*given)  # type: ignore[arg-type]
        runner.stop()

    monkeypatch.setattr(log, "commit", fail_once)
    runner.run()
    assert texts(log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10)) == ["a1"]
