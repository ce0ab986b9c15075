"""From the troubles of inputs to review items: one for each trouble of a statement, until it is understood."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common import review
from adapters.common.feed import FeedIdentity, Input
from adapters.common.outcome import InputOutcome, Trouble, accepted, ignored, to_review
from adapters.common.review import NOTHING, FeedReview, Findings, OpenItem, waiting
from adapters.common.stamp import sorts_at
from bus.port import Record
from schemas import topics
from schemas.observation import RawPointer
from schemas.review import ReviewItem, ReviewStep, is_open

FEED = FeedIdentity("hl7", "ehr", "lab", 3, "print")
AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
WARD = Trouble("ward-unknown", "no such code", "PV1-3")
MARK = Trouble("ward-unknown", "no such code", "PV1-42", mark_unread=True)
WHOLE = Trouble("visit-missing", "no visit", "PV1-19", withholds=True)


class Kept:
    """What is in the log, and how a feed's process goes on from there."""

    def __init__(self) -> None:
        self.items: dict[str, ReviewItem] = {}
        self.steps: dict[str, ReviewStep] = {}
        self.written = 0
        self.review = FeedReview(FEED)
        self.at = AT

    def read(self, outcome: InputOutcome, statement: str = "s", *, fails: bool = False) -> Findings:
        self.at += timedelta(seconds=1)
        taken = Input(RawPointer(id=f"raw-{self.at:%H%M%S}", sha256="0", size=1), self.at)
        found = self.review.findings(taken, outcome, lambda: statement)
        if not fails:
            self.write(found.records)
            self.review.note(found)
        return found

    def write(self, records: Sequence[Record]) -> None:
        self.written += len(records)
        for record in records:
            assert record.key is not None
            if record.topic == topics.REVIEW:
                self.items[record.key] = ReviewItem.model_validate_json(record.value or b"")
            else:
                step = ReviewStep.model_validate_json(record.value or b"")
                self.steps[record.key] = step

    def restart(self) -> None:
        self.review = FeedReview(FEED, map(waiting, self.open_items()))

    def open_items(self) -> list[ReviewItem]:
        return [
            item
            for item in self.items.values()
            if is_open(item, [each for each in self.steps.values() if each.item == item.id])
        ]

    def open(self) -> list[tuple[str, str | None]]:
        return sorted((item.reason, item.where) for item in self.open_items())


def test_an_input_without_trouble_is_not_looked_at_where_nothing_is_open() -> None:
    def never() -> str:
        raise AssertionError("the statement was asked for")

    taken = Input(RawPointer(id="r", sha256="0", size=1), AT)
    assert FeedReview(FEED).findings(taken, accepted([]), never) is NOTHING
    assert FeedReview(FEED).findings(taken, ignored("links", ""), never) is NOTHING


def test_an_item_says_what_when_and_by_which_reading() -> None:
    kept = Kept()
    kept.read(accepted([], [WARD, MARK]))
    place, mark = kept.open_items()
    assert (place.id, place.statement) != (mark.id, "")
    assert [place.mark_unread, mark.mark_unread] == [False, True]
    assert {item.revision for item in (place, mark)} == {3}
    assert not place.withheld
    assert place.raw is not None
    assert place.at == kept.at
    kept.read(to_review(replace(WHOLE, mark_unread=True, repeatable=False)), "t")
    (withheld,) = (item for item in kept.open_items() if item.withheld)
    assert (withheld.reason, withheld.mark_unread, withheld.repeatable) == ("visit-missing", True, False)  # fmt: skip


def test_what_is_sent_again_with_the_same_trouble_is_one_item_also_after_a_restart() -> None:
    kept = Kept()
    for again in range(3):
        kept.read(accepted([], [WARD]))
        kept.read(to_review(WHOLE), "withheld")
        if again == 1:
            kept.restart()
    assert kept.written == 2
    assert kept.open() == [("visit-missing", "PV1-19"), ("ward-unknown", "PV1-3")]


@pytest.mark.parametrize("well", [accepted([]), ignored("links", "")], ids=["accepted", "ignored"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_reading_without_the_trouble_ends_it(well: InputOutcome, *, restarted: bool) -> None:
    kept = Kept()
    kept.read(accepted([], [WARD, MARK]))
    kept.read(to_review(WHOLE), "other")
    if restarted:
        kept.restart()
    kept.read(accepted([], [WARD]))
    assert kept.open() == [("visit-missing", "PV1-19"), ("ward-unknown", "PV1-3")]
    kept.read(well)
    assert kept.open() == [("visit-missing", "PV1-19")]
    assert {step.deed for step in kept.steps.values()} == {"resolved"}
    before = kept.written
    kept.read(well)
    assert kept.written == before, "it is told once"
    kept.read(accepted([], [WARD]))
    assert ("ward-unknown", "PV1-3") in kept.open(), "met again, it is open again"


def test_another_trouble_of_the_same_statement_takes_its_place() -> None:
    kept = Kept()
    kept.read(to_review(WHOLE))
    kept.read(accepted([], [WARD]))
    assert kept.open() == [("ward-unknown", "PV1-3")]


def test_a_part_is_known_in_whatever_input_it_comes() -> None:
    """An Encounter alone, or as the third of a Bundle; a row on another line of another file."""
    kept = Kept()
    trouble = replace(WARD, statement="part", where="Bundle.entry[2].x", within=".x")
    kept.read(replace(accepted([], [trouble]), parts=("part", "beside")), "bundle 1")
    kept.read(
        replace(accepted([], [replace(trouble, where="Encounter.x")]), parts=("part",)), "one"
    )
    assert len(kept.items) == 1
    kept.read(replace(accepted([]), parts=("beside",)), "bundle 2")
    assert len(kept.open()) == 1
    kept.read(replace(accepted([]), parts=("beside", "part")), "bundle 3")
    assert kept.open() == []


def test_of_an_input_that_waits_as_a_whole_no_part_was_understood() -> None:
    kept = Kept()
    trouble = replace(WARD, statement="part", within=".x")
    kept.read(replace(accepted([], [trouble]), parts=("part",)), "one")
    kept.read(to_review(WHOLE), "transaction with the part")
    assert kept.open() == [("visit-missing", "PV1-19"), ("ward-unknown", "PV1-3")]


def test_what_the_log_did_not_take_is_written_with_the_next() -> None:
    kept = Kept()
    kept.read(accepted([], [WARD]), fails=True)
    assert kept.open() == []
    kept.read(accepted([], [WARD]))
    kept.read(accepted([]), fails=True)
    assert len(kept.open()) == 1
    kept.read(accepted([]))
    assert kept.open() == []


def test_what_a_person_discarded_stays_so() -> None:
    kept = Kept()
    kept.read(accepted([], [WARD]))
    (item,) = kept.open_items()
    step = ReviewStep(
        item=item.id, realm="lab", deed="discarded", at=kept.at, by="anna", reason="-"
    )
    kept.steps[step.key] = step
    kept.restart()
    kept.read(accepted([], [WARD]))
    assert kept.open() == []


TROUBLES = [WARD, MARK, replace(WARD, reason="other"), replace(WARD, where="PV1-11")]
READINGS = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.sampled_from(TROUBLES)),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(READINGS, max_size=12))
def test_what_is_open_is_what_the_last_durable_reading_of_each_statement_met(
    readings: list[tuple[str, list[Trouble], bool, bool]],
) -> None:
    kept = Kept()
    met: dict[str, set[tuple[str, str | None]]] = {}
    for statement, troubles, is_durable, restarts in readings:
        kept.read(accepted([], troubles), statement, fails=not is_durable)
        if is_durable:
            met[statement] = {(each.reason, each.where) for each in troubles}
        if restarts:
            kept.restart()
    expected = sorted((s, *each) for s, found in met.items() for each in found)
    assert sorted((i.statement, i.reason, i.where) for i in kept.open_items()) == expected


def steps_of(work: Callable[[], object]) -> int:
    """How many instructions of the module are executed: a measure that no other load changes."""
    steps = 0

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != review.__file__:
            return None
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("apart", [True, False], ids=["each its own statement", "one statement"])
def test_the_work_grows_with_the_troubles_and_not_with_their_square(apart: bool) -> None:  # noqa: FBT001 - a table's column
    def reading(number: int) -> Callable[[], object]:
        troubles = [
            replace(WARD, statement=f"s{each}" if apart else "", within=str(each))
            for each in range(number)
        ]
        kept = Kept()
        outcome = accepted((), troubles)
        return lambda: kept.read(outcome, fails=True)

    few, many = steps_of(reading(200)), steps_of(reading(400))
    assert few > 200
    assert many < 2.2 * few


def test_a_trouble_of_all_that_a_feed_sends_is_one_item_until_a_person_ends_it() -> None:
    kept, late = Kept(), datetime(2026, 3, 2, tzinfo=UTC)
    for number in range(50):
        _, ahead = sorts_at(late + timedelta(minutes=number), late, timedelta(0), "EVN-2")
        kept.read(accepted([], ahead), f"s{number}")
        if number % 10 == 0:
            kept.restart()
    assert (kept.open(), kept.written) == ([("recorded-in-the-future", "EVN-2")], 1)
    (one,) = kept.open_items()
    assert "1 min ahead" in one.detail
    assert "resolve" in one.detail
    kept.read(accepted([]), "on time")
    assert kept.open_items() == [one], "one that is on time says nothing of the clock"


def test_what_is_open_at_a_start_is_taken_up_once_each() -> None:
    items = [OpenItem("s", str(each)) for each in range(400)]
    few, many = (
        steps_of(lambda: FeedReview(FEED, items[:200])),
        steps_of(lambda: FeedReview(FEED, items)),
    )
    assert many < 2.2 * few
    assert all(FeedReview(FEED, items).is_open(each.item) for each in items)
