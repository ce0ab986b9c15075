"""Receipts keep the order in which inputs came, whatever the system's clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.common.receipt import STEP, ReceiptClock

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@given(st.lists(st.integers(-3, 3).map(lambda us: timedelta(microseconds=us)), min_size=1))
def test_each_receipt_is_later_than_the_one_before(steps: list[timedelta]) -> None:
    times = [NOON + sum(steps[:count], timedelta()) for count in range(len(steps))]
    clock = ReceiptClock(iter(times).__next__)
    said = [clock() for _ in times]
    assert said[0] == times[0]
    assert all(before < after for before, after in pairwise(said))
    assert all(
        now <= when <= max(times) + STEP * len(times) for now, when in zip(times, said, strict=True)
    )


def test_a_clock_that_goes_on_is_told_as_it_is() -> None:
    times = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)]
    clock = ReceiptClock(iter(times).__next__)
    assert [clock() for _ in times] == times


def test_two_clocks_know_nothing_of_each_other() -> None:
    one, other = ReceiptClock(lambda: NOON), ReceiptClock(lambda: NOON)
    assert (one(), one(), other()) == (NOON, NOON + STEP, NOON)
