"""A clock is evidence: what counts is the time that the log has seen pass, or that somebody else's clock confirms."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.clock import ALONE, CLOSE, LATE, Clock, row_of, times_of
from tests.router.saying import START, minutes

TEN_SECONDS = timedelta(seconds=10)
HOUR = timedelta(hours=1)


def ticked(clock: Clock, *times: datetime, interval: timedelta = TEN_SECONDS) -> Clock:
    for at in times:
        clock = clock.ticked(at, interval)
        assert Clock(*times_of(row_of(*clock))) == clock
    return clock


def steadily(start: datetime, length: timedelta, step: timedelta = TEN_SECONDS) -> list[datetime]:
    return [start + n * step for n in range(length // step + 1)]


@given(st.lists(st.integers(1, int(CLOSE.total_seconds())), max_size=30))
def test_time_that_passes_is_believed(steps: list[int]) -> None:
    clock, at = Clock(START), START
    for seconds in steps:
        at += timedelta(seconds=seconds)
        clock = ticked(clock, at)
        assert clock == Clock(at)


@given(st.integers(61, 60 * 24 * 100), st.integers(0, 3_540))
def test_a_jump_is_not_believed_while_nothing_confirms_it(ahead: int, seconds: int) -> None:
    for start in (START + timedelta(minutes=ahead), START - timedelta(minutes=ahead)):
        clock = ticked(Clock(START), *steadily(start, timedelta(seconds=seconds)))
        assert clock.at == START


def test_the_hour_alone_is_enough() -> None:
    for start in (START + 5 * HOUR, START - 5 * HOUR):
        assert ticked(Clock(START), *steadily(start, ALONE)) == Clock(start + ALONE)


def test_a_senders_own_clock_confirms_a_jump_or_does_not() -> None:
    jumped = ticked(Clock(START), START + 5 * HOUR)
    assert jumped.heard(START + 5 * HOUR - minutes_(4)) == Clock(START + 5 * HOUR)
    assert jumped.heard(START + minutes_(1)) == jumped
    assert jumped.heard(START + 9 * HOUR) == jumped
    assert Clock(START).heard(START + HOUR) == Clock(START)
    back = ticked(Clock(START), START - 5 * HOUR)
    assert back.heard(START - 5 * HOUR) == Clock(START - 5 * HOUR)


def minutes_(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_a_tick_that_comes_late_says_nothing_and_contradicts_a_jump() -> None:
    assert ticked(Clock(START), START - LATE) == Clock(START)
    assert ticked(Clock(START), START + HOUR, START - LATE) == Clock(START)


def test_two_clocks_that_disagree_move_nothing() -> None:
    clock = Clock(START)
    for at in steadily(START, 2 * HOUR):
        clock = ticked(clock, at, at + 3 * HOUR)
    assert clock.at == START + 2 * HOUR


def test_ticks_may_be_rare() -> None:
    clock = Clock(START)
    for at in steadily(START, 9 * HOUR, HOUR):
        clock = ticked(clock, at, interval=HOUR)
        assert clock == Clock(at)


@pytest.mark.parametrize("gap", [minutes_(6), HOUR])
def test_a_jump_that_jumps_again_begins_anew(gap: timedelta) -> None:
    first, second = START + 5 * HOUR, START + 5 * HOUR + minutes_(50) + gap
    clock = ticked(Clock(START), *steadily(first, minutes_(50)), *steadily(second, minutes_(59)))
    assert clock.at == START
    assert minutes(0) == START
