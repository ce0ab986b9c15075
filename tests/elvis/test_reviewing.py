"""A trouble of a row is one item however many exports have the row, and ends when it is read at last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.elvis.settings import ElvisSettings, Guards
from bus.port import Record
from schemas import topics
from schemas.review import ReviewItem, ReviewStep, is_open
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import KEYER, NOON, File, Row, context, export
from tests.elvis.player import Player


def register(*wards: str) -> WardRegister:
    return WardRegister([Ward(id=ward, name=ward, hospital="SÄS Borås") for ward in wards])


CLOSED, MENDED = register("B1", "B2"), register("B1", "B2", "B7")
ONE = Row("B1", "1", "1", "4711", mark="B7", admitted="2026-03-02 10:00")
OTHER = Row("B2", "1", "1", "4712", admitted="2026-03-02 10:00")
NAMELESS = Row("B2", "2", "1", "?", mark="B1", admitted="2026-03-02 10:00")


class Reviewed(Player):
    """Keeps what review has."""

    def __init__(self, known: WardRegister, guards: Guards | None = None) -> None:
        settings = ElvisSettings(directory=Path("inbox"), guards=guards or Guards())
        self.settings = settings
        super().__init__(context(settings, known))
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
        again = context(self.settings, known)
        feed = replace(again.feed, revision=max(1, self.context.feed.revision) + 1)
        self.context = again._replace(feed=feed, review=self.context.review)

    def waiting(self) -> dict[str, ReviewItem]:
        steps = [*self.steps.values()]
        return {
            item.id: item
            for item in self.items.values()
            if is_open(item, [step for step in steps if step.item == item.id])
        }

    def open(self) -> list[tuple[str, str | None, bool]]:
        return sorted(
            (item.reason, (item.where or "").partition(", ")[2], item.mark_unread)
            for item in self.waiting().values()
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


# -- what ends an item, and what does not --------------------------------------------------------------


def told_otherwise(known: WardRegister, name: str) -> WardRegister:
    """The same to exports: other names of wards, codes of another source, as in a wrong column."""
    return WardRegister(
        ward.model_copy(update={"name": name, "aliases": {"ehr": frozenset({f"{ward.id}{name}"})}})
        for ward in known.wards.values()
    )


def test_a_register_that_says_nothing_else_to_exports_ends_nothing() -> None:
    """The code that was missing was put into the column of another source: rows are read as before."""
    player = Reviewed(CLOSED)
    player.take(0, OTHER)
    player.take(1, ONE, NAMELESS, OTHER)
    before = player.open()
    for name in ("x", "y"):
        again = context(register=told_otherwise(CLOSED, name))
        player.context = again._replace(review=player.context.review)
        for minute, rows in ((0, [OTHER]), (1, [ONE, NAMELESS, OTHER])):
            player.take(minute, *rows)
            assert player.open() == before
        player.take(2, ONE, NAMELESS, OTHER)
        player.take(2, ONE, NAMELESS, OTHER)
        assert player.open() == before
    assert not player.steps


def test_an_older_export_read_otherwise_ends_nothing_that_the_newest_says_still() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE, NAMELESS)
    player.take(1, NAMELESS, ONE)
    before = player.open()
    player.mend(register("B1", "B2", "B9"))
    player.take(0, ONE, NAMELESS)
    assert player.open() == before


def test_an_older_export_ends_nothing_of_a_row_that_another_scope_has_overtaken() -> None:
    player = Reviewed(CLOSED)
    elsewhere = ONE._replace(ward="B2", mark="")
    player.take(0, ONE, wards="B1")
    player.keep(player.handle(export(3, elsewhere, wards="B2", hospital="Skene").payload(),
                              export(3).at)[1])  # fmt: skip
    player.take(2, ONE, wards="B1")
    player.take(0, ONE, wards="B1")
    assert player.open() == [UNKNOWN]


MENDED_ROWS = {
    "a code that is none": (ONE, ONE._replace(mark="B2")),
    "no readable patient": (NAMELESS, NAMELESS._replace(patient="4713")),
    "a cell too much": (ONE._replace(mark="B2", protection="N;x"), ONE._replace(mark="B2")),
}


@pytest.mark.parametrize("name", MENDED_ROWS)
def test_a_row_that_the_source_has_mended_ends_its_item(name: str) -> None:
    wrong, right = MENDED_ROWS[name]
    player = Reviewed(CLOSED)
    player.take(0, wrong, OTHER)
    assert len(player.open()) == 1
    player.take(1, OTHER._replace(patient="?"), wrong)
    assert len(player.open()) == 2, "it stands there still"
    player.take(2, OTHER, right)
    assert player.open() == []
    assert [each.claims.mark for each in player.observations if each.claims.mark]


def test_while_a_row_may_be_anybodys_none_that_was_so_has_ended() -> None:
    player = Reviewed(CLOSED)
    player.take(0, NAMELESS, OTHER)
    player.take(1, NAMELESS._replace(bed="7"), OTHER)
    assert len(player.open()) == 2
    player.take(2, OTHER)
    assert player.open() == []


def test_a_row_that_is_mended_in_part_is_another_item() -> None:
    player = Reviewed(CLOSED)
    player.take(0, ONE)
    player.take(1, ONE._replace(mark="B8"))
    assert player.open() == [UNKNOWN]
    assert len(player.items) == 2


WHOLE = [Row("B1", "1", str(n), f"{n}", admitted="2026-03-02 10:00") for n in range(100, 110)]


def refused(player: Reviewed, file: File) -> None:
    player.keep(player.handle(file.payload(), file.at)[1])


def test_a_later_export_takes_the_place_of_those_that_were_refused() -> None:
    player = Reviewed(CLOSED)
    player.take(0, *WHOLE)
    refused(player, export(1, *WHOLE)._replace(counted=3))
    refused(player, export(2))
    refused(player, export(0, *WHOLE[1:]))
    player.keep(player.handle(export(600, *WHOLE).payload(), export(1).at)[1])
    found = player.open()
    assert found == [
        ("count-differs", "", True), ("exported-in-future", "", True), ("older-than-last", "", False),
        ("shrunk", "", True),
    ]  # fmt: skip
    player.take(0, *WHOLE)
    assert player.open() == found, "read again it is no later one"
    player.take(1, *WHOLE)
    assert [reason for reason, *_ in player.open()] == ["shrunk"], "which is newer"
    player.take(3, *WHOLE)
    assert player.open() == []


def test_an_export_of_another_scope_takes_nobodys_place() -> None:
    player = Reviewed(CLOSED)
    player.take(0, *WHOLE)
    player.keep(
        player.handle(export(1, OTHER, wards="B2", hospital="Skene").payload(), export(1).at)[1]
    )
    refused(player, export(2))
    refused(player, export(2, *WHOLE)._replace(counted=3))
    player.keep(
        player.handle(export(4, OTHER, wards="B2", hospital="Skene").payload(), export(4).at)[1]
    )
    assert [reason for reason, *_ in player.open()] == ["count-differs", "shrunk"]
    player.take(5, *WHOLE)
    assert [reason for reason, *_ in player.open()] == ["count-differs"], "of whichever scope it is"


# -- any history ------------------------------------------------------------------------------------------

LENIENT = Guards(unreadable_rows=9, shrink_patients=99)
PATIENTS = ("4711", "4712", "4713", "?")
MARKS = ("", "B1", "B7", "B8")
EXPORTS = st.lists(
    st.lists(st.tuples(st.sampled_from(PATIENTS), st.sampled_from(MARKS)), max_size=4, unique_by=lambda r: r[0]),
    min_size=1, max_size=6,
)  # fmt: skip


def rows_of(said: list[tuple[str, str]]) -> list[Row]:
    return [
        Row("B1", "1", str(n), number, mark=mark, admitted="2026-03-02 10:00")
        for n, (number, mark) in enumerate(said)
    ]


@given(EXPORTS, st.integers(0, 2**32).map(Random))
def test_what_the_newest_export_says_and_cannot_be_read_is_open(
    said: list[list[tuple[str, str]]], random: Random
) -> None:
    """Exports follow one another and are read again in any order, with and without another register."""
    known = random.choice([CLOSED, MENDED])
    player, newest, read_by = Reviewed(known, LENIENT), -1, known
    about = {KEYER.hash("row", *row): row.patient for each in said for row in rows_of(each)}
    while newest < len(said) - 1 or random.random() < 0.7:
        if random.random() < 0.3:
            known = random.choice([CLOSED, MENDED, told_otherwise(known, "z")])
            player.mend(known)
        minute = random.randint(0, newest) if newest >= 0 and random.random() < 0.5 else newest + 1
        minute = min(minute, len(said) - 1)
        newest = max(newest, minute)
        player.take(minute, *rows_of(said[minute]))
        if minute == newest:
            read_by = known
        alone = Reviewed(read_by, LENIENT)
        alone.take(newest, *rows_of(said[newest]))
        assert alone.waiting().keys() <= player.waiting().keys()
        listed = set(PATIENTS[:3]).intersection(
            *({n for n, _ in each} for each in said[: newest + 1])
        )
        of_listed = {i.id for i in player.waiting().values() if about[i.statement] in listed}
        assert of_listed <= alone.waiting().keys(), "of who never left nothing else is open"
