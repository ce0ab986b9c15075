"""A trouble of a row is one item however many exports have the row, and ends when it is read at last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bus.port import Record
from schemas import topics
from schemas.review import ReviewItem, ReviewStep, is_open
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import NOON, Row, context, export
from tests.elvis.player import Player


def register(*wards: str) -> WardRegister:
    return WardRegister([Ward(id=ward, name=ward, hospital="SÄS Borås") for ward in wards])


CLOSED, MENDED = register("B1", "B2"), register("B1", "B2", "B7")
ONE = Row("B1", "1", "1", "4711", mark="B7", admitted="2026-03-02 10:00")
OTHER = Row("B2", "1", "1", "4712", admitted="2026-03-02 10:00")
NAMELESS = Row("B2", "2", "1", "?", mark="B1", admitted="2026-03-02 10:00")


class Reviewed(Player):
    """Keeps what review has."""

    def __init__(self, known: WardRegister) -> None:
        super().__init__(context(register=known))
        self.items: dict[str, ReviewItem] = {}
        self.steps: dict[str, ReviewStep] = {}

    def take(self, minute: int, *rows: Row, wards: str = "B1,B2", approved: bool = False) -> None:
        file = export(minute, *rows, wards=wards)
        self.keep(self.handle(file.payload(), file.at, approved=approved)[1])

    def keep(self, records: list[Record]) -> None:
        for each in records:
            if each.topic == topics.REVIEW:
                self.items[each.key or ""] = ReviewItem.model_validate_json(each.value or b"")
            if each.topic == topics.REVIEWED:
                self.steps[each.key or ""] = ReviewStep.model_validate_json(each.value or b"")

    def mend(self, known: WardRegister) -> None:
        """Started again with another register: another reading."""
        again = context(register=known)
        feed = replace(again.feed, revision=2)
        self.context = again._replace(feed=feed, review=self.context.review)

    def open(self) -> list[tuple[str, str | None, bool]]:
        steps = [*self.steps.values()]
        return sorted(
            (item.reason, (item.where or "").partition(", ")[2], item.mark_unread)
            for item in self.items.values()
            if is_open(item, [step for step in steps if step.item == item.id])
        )


UNKNOWN = ("ward-unknown", "column Avsedd avdelning", True)


def test_a_row_on_other_lines_of_other_files_is_one_item_until_it_is_read() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE)
    player.take(1, OTHER, ONE)
    player.take(2, ONE, OTHER)
    assert player.open() == [UNKNOWN]
    assert len(player.items) == 1
    player.mend(MENDED)
    player.take(3, ONE, OTHER)
    assert player.open() == []
    player.take(4, OTHER, ONE)
    assert len(player.steps) == 1
    told = [each.claims.mark for each in player.observations if each.claims.mark]
    assert [mark.ward for mark in told] == ["B7"]


def test_what_no_export_lists_any_more_waits_for_a_person() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE)
    player.mend(MENDED)
    player.take(1, OTHER)
    assert player.open() == [UNKNOWN]


def test_a_row_that_is_still_unread_stays_the_same_item() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE, NAMELESS)
    before = player.open()
    assert before == [("patient-unreadable", "column Patient-id", True), UNKNOWN]
    player.mend(register("B1", "B2", "B9"))
    player.take(1, ONE, NAMELESS)
    assert player.open() == before
    assert len(player.items) == 2


def test_a_row_without_a_patient_is_a_mark_where_it_names_a_ward() -> None:
    player = Reviewed(CLOSED)
    player.take(0, NAMELESS._replace(mark=""), OTHER)
    assert player.open() == [("patient-unreadable", "column Patient-id", False)]


def test_a_refused_export_may_hold_marks_and_ends_when_it_is_taken() -> None:
    player = Reviewed(CLOSED)
    patients = [
        Row("B1", "1", str(n), f"{n}", admitted="2026-03-02 10:00") for n in range(100, 110)
    ]
    player.take(0, *patients)
    player.take(1)
    assert player.open() == [("shrunk", "", True)]
    player.take(1)
    assert len(player.items) == 1
    player.take(1, approved=True)
    assert player.open() == []


def test_an_unchanged_row_that_another_scope_lists_too_ends_nothing() -> None:
    """It is compared in each file, and what is wrong with it was told before."""
    player = Reviewed(CLOSED)
    elsewhere = ONE._replace(ward="B2", mark="")
    player.take(0, ONE, wards="B1")
    player.keep(player.handle(export(1, elsewhere, wards="B2", hospital="Skene").payload(),
                              export(1).at)[1])  # fmt: skip
    player.take(2, ONE, wards="B1")
    player.take(3, ONE, wards="B1")
    assert UNKNOWN in player.open()


def test_the_newest_export_of_its_scope_is_read_again_by_another_register() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE, OTHER)
    player.take(0, ONE, OTHER)
    assert len(player.observations) == 2, "read alike, it says nothing new"
    player.mend(MENDED)
    player.take(0, ONE, OTHER)
    first, _, again = player.observations
    assert player.open() == []
    assert again.claims.mark is not None
    assert (again.id, again.revision, again.stamp.sequence) == (first.id, 2, first.stamp.sequence)


def test_an_older_export_ends_what_the_newest_says_no_more() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE, NAMELESS)
    player.take(1, OTHER, NAMELESS)
    assert player.open() == [("patient-unreadable", "column Patient-id", True), UNKNOWN]
    before = len(player.observations)
    player.take(0, ONE, NAMELESS)
    assert player.open() == [("patient-unreadable", "column Patient-id", True)], "it still stands"
    assert len(player.observations) == before


def test_read_again_in_the_hour_that_autumn_repeats_it_keeps_its_time() -> None:
    """25 October 2026, 02:30 local, is two moments: the second is taken after one of the first."""
    minute = int((datetime(2026, 10, 25, 0, 30, tzinfo=UTC) - NOON) / timedelta(minutes=1))
    player = Reviewed(CLOSED)
    first = at_half_past_two(ONE)
    player.keep(player.handle(first.encode("windows-1252"), NOON + timedelta(minutes=minute))[1])
    taken = player.state.scopes["SÄS Borås"].sequence
    player.mend(MENDED)
    player.keep(
        player.handle(first.encode("windows-1252"), NOON + timedelta(minutes=minute + 90))[1]
    )
    assert player.state.scopes["SÄS Borås"].sequence == taken
    assert player.open() == []


def at_half_past_two(*rows: Row) -> str:
    text = export(0, *rows).text()
    return text.replace("2026-03-02 12:00:00", "2026-10-25 02:30:00")
