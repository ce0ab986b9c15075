"""Retention believes a clock only as far as time has passed here."""

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.port import LogBusyError, LogError
from bus.sqlite import SqliteLog
from bus.sqlite.seen import DOUBTED_MS, SAVED_EVERY_MS, SeenTime, believe, believed_ms
from bus.sqlite.timing import Timing
from schemas.topics import RAW, TOPICS
from tests.bus.engines import Clock
from tests.bus.test_contract import raw

DAY_MS = 86_400_000
KEPT_DAYS = next(topic.retention_s for topic in TOPICS if topic.name == RAW) or 0


class Machine(NamedTuple):
    """A clock that is set, and time that passes."""

    clock: Clock
    passed: Clock

    def timing(self) -> Timing:
        return Timing(self.clock, 0.0, 0.0, self.passed)

    def live(self, ms: int) -> None:
        self.clock.now_ms += ms
        self.passed.now_ms += ms


@pytest.fixture
def machine() -> Machine:
    return Machine(Clock(), Clock(0))


def opened(folder: Path, machine: Machine) -> SqliteLog:
    return SqliteLog.open(folder / "log.db", timing=machine.timing())


def tidied(log: SqliteLog) -> int:
    """How many records are kept once all that may go has gone."""
    for _ in range(3):  # tidied after each
        log.append([])
    return log.ends(RAW)[0] - log.starts(RAW)[0]


def test_a_clock_far_ahead_for_a_while_deletes_nothing(tmp_path: Path, machine: Machine) -> None:
    log = opened(tmp_path, machine)
    log.append([raw("r", "a")])
    machine.clock.now_ms += 100 * DAY_MS
    assert tidied(log) == 1
    machine.live(3_600_000)
    assert tidied(log) == 1
    assert log.clock_ahead_s == pytest.approx(100 * 86_400 - 3_600)
    machine.clock.now_ms -= 100 * DAY_MS
    assert tidied(log) == 1
    assert log.clock_ahead_s == 0
    log.close()


def test_not_even_one_that_is_wrong_across_restarts(tmp_path: Path, machine: Machine) -> None:
    for _ in range(5):
        log = opened(tmp_path, machine)
        log.append([raw("r", "a")])
        machine.clock.now_ms += 100 * DAY_MS
        assert tidied(log) == log.ends(RAW)[0]
        log.close()


def test_what_is_too_old_goes_when_its_time_has_passed(tmp_path: Path, machine: Machine) -> None:
    log = opened(tmp_path, machine)
    log.append([raw("r", "a")])
    machine.live(1000 * KEPT_DAYS - 1)
    assert tidied(log) == 1
    machine.live(2)
    assert tidied(log) == 0
    log.close()


def test_after_a_stop_it_takes_as_long_again_until_retention_is_abreast(
    tmp_path: Path, machine: Machine
) -> None:
    log = opened(tmp_path, machine)
    log.append([raw("r", "a")])
    log.close()
    machine.clock.now_ms += 1000 * KEPT_DAYS + 1  # nobody saw it pass
    log = opened(tmp_path, machine)
    assert tidied(log) == 1
    machine.live(500 * KEPT_DAYS + 1)
    assert tidied(log) == 0
    log.close()


def test_that_the_clock_is_doubted_is_said_once_and_its_end_too(
    tmp_path: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened(tmp_path, machine)
    machine.clock.now_ms += DOUBTED_MS
    tidied(log)
    tidied(log)
    machine.live(DOUBTED_MS)
    tidied(log)
    log.close()
    said = capsys.readouterr().out
    assert said.count("retention_doubts_the_clock") == 1
    assert said.count("retention_believes_the_clock") == 1


@pytest.mark.parametrize("error_days", [-365, 100])
def test_a_first_start_with_a_wrong_clock_is_mended_by_a_persons_word(
    tmp_path: Path, machine: Machine, error_days: int
) -> None:
    path, right_ms = tmp_path / "log.db", machine.clock.now_ms
    machine.clock.now_ms += error_days * DAY_MS
    log = opened(tmp_path, machine)
    with pytest.raises(LogBusyError):
        believe(path, right_ms)
    log.close()
    assert believed_ms(path) == right_ms + error_days * DAY_MS
    machine.clock.now_ms = right_ms
    believe(path, right_ms)
    assert believed_ms(path) == right_ms
    log = opened(tmp_path, machine)
    log.append([raw("r", "a")])
    assert log.clock_ahead_s == 0
    machine.clock.now_ms += 100 * DAY_MS  # and the next wrong clock is not believed
    assert tidied(log) == 1
    log.close()


def test_of_a_log_that_is_not_there_nobody_says_the_time(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log"):
        believe(tmp_path / "log.db", 0)
    assert not list(tmp_path.iterdir())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["live", "jump", "restart", "set right"]),
            st.integers(-400 * DAY_MS, 400 * DAY_MS) | st.integers(0, 2 * SAVED_EVERY_MS),
        ),
        max_size=30,
    ),
    st.sampled_from([0, -365, 100]) | st.integers(-1000, 1000),
)
def test_it_is_never_ahead_of_the_clock_nor_faster_than_twice_what_passed(
    steps: list[tuple[str, int]], error_days: int
) -> None:
    """Whatever the clock was when the log was made, and whenever it was set right."""
    machine, rows = Machine(Clock(), Clock(0)), Rows()
    machine.clock.now_ms += error_days * DAY_MS
    seen, begun, passed = SeenTime(rows, machine.timing()), machine.clock.now_ms, 0  # type: ignore[arg-type]
    wrong_ms = error_days * DAY_MS
    for step, ms in steps:
        if step == "live":
            machine.live(abs(ms))
            passed += abs(ms)
        elif step == "jump":
            machine.clock.now_ms += ms
        elif step == "set right":
            machine.clock.now_ms, wrong_ms = machine.clock.now_ms - wrong_ms, 0
        else:
            seen = SeenTime(rows, machine.timing())  # type: ignore[arg-type]
        now = seen.now_ms()
        seen.save_if_due()
        assert now <= machine.clock.now_ms
        assert now <= begun + 2 * passed


class Rows:
    """The one row of the table."""

    def __init__(self) -> None:
        self.at_ms: int | None = None

    def execute(self, sql: str, values: tuple[int, ...] = ()) -> "Rows":
        if sql.startswith("INSERT OR IGNORE"):
            self.at_ms = values[0] if self.at_ms is None else self.at_ms
        elif sql.startswith("UPDATE"):
            (self.at_ms,) = values
        return self

    def fetchone(self) -> tuple[int | None]:
        return (self.at_ms,)
