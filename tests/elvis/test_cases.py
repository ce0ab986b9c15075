"""Exports with the traits of public bug reports, and what is right for each; then each kind, generated.

``cases/28…``: a spreadsheet opened an export and saved it. ``47…``: a row has another number of cells than
the header. ``48…``: control characters in cells.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.bounds import MAX_ALIKE
from adapters.elvis.outcomes import outcomes
from adapters.elvis.settings import ElvisSettings, Guards
from bus.port import Record
from schemas import topics
from schemas.observation import Location, What
from schemas.topics import MAX_RECORD_BYTES
from tests.elvis.exports import FORM, NOON, File, Row, context, export
from tests.elvis.player import Player

CASES = Path(__file__).parent / "cases"
LATER = datetime(2026, 12, 1, tzinfo=UTC)
EXCEL = CASES / "28_excel_numbers"
ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1", admitted="2026-03-01 10:00", mark="B2")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2", admitted="2026-03-01 10:00")


def _play(player: Player, path: Path) -> InputOutcome:
    return player.play_bytes(path.read_bytes(), LATER)


# -- 28: what a spreadsheet makes of numbers -----------------------------------------------------------

DAMAGED = sorted(path.name for path in EXCEL.glob("[2-9]*.csv"))


def test_all_nine_files_are_tried() -> None:
    assert len(DAMAGED) + len(list(EXCEL.glob("1*.csv"))) == 9


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_number_is_nobody_s_goes_to_review_and_ends_nobody(name: str) -> None:
    player = Player()
    assert len(_play(player, EXCEL / "1_as_exported.csv").observations) == 2
    before = set(player.state.patients)
    damaged = _play(player, EXCEL / name)
    assert (damaged.verdict, damaged.observations) == (Verdict.ACCEPTED, ())
    rows = 2 if "twice" in name else 1
    assert [one.reason for one in damaged.warnings] == ["patient-unreadable"] * rows
    assert {one.where for one in damaged.warnings} <= {
        "line 5, column Patient-id",
        "line 6, column Patient-id",
    }
    assert (set(player.state.patients), set(player.open_visits())) == (
        before,
        {"200001012384", "200001012392"},
    )


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_number_makes_no_patient_where_none_was_known(name: str) -> None:
    player = Player()
    told = _play(player, EXCEL / name)
    numbers = {one.patient.identifiers[0].value for one in told.observations}
    assert numbers <= {"200001012392"}


def _scientific(number: str, digits: int, sign: str) -> str:
    return f"{number[0]}{sign}{number[1:digits]}E+{len(number) - 1}"


damages: st.SearchStrategy[Callable[[str], str]] = st.one_of(
    st.builds(lambda digits, sign: lambda one: _scientific(one, digits, sign),
              st.integers(2, 8), st.sampled_from(".,")),
    st.sampled_from([".0", ",0", ".00", ",00"]).map(lambda end: lambda one: one + end),
    st.sampled_from([" ", "\u00a0", "\u202f", ".", ",", "'"]).map(
        lambda sign: lambda one: sign.join(one[at : at + 3] for at in range(0, len(one), 3))),
    st.sampled_from(["'", "=", '="', "\u2019"]).map(lambda first: lambda one: first + one),
    st.just(lambda one: one[2:].lstrip("0")),
    st.sampled_from(["#VALUE!", "#SAKNAS!", "#REF!", "########", "1900-01-00"]).map(
        lambda text: lambda _: text),
)  # fmt: skip


@given(st.data())
def test_whatever_a_spreadsheet_damages_ends_nobody_and_invents_nobody(data: st.DataObject) -> None:
    """Some rows of some files are damaged, alike or not; then the source exports again."""
    settings = ElvisSettings(
        directory=Path("inbox"),
        format=FORM.model_copy(update={"charset": "utf-8"}),
        guards=Guards(unreadable_rows=10, shrink_patients=10),
    )
    player = Player(context(settings))
    people = {"200001012384": "B1", "200001012392": "B2", "200001022391": "B1"}
    rows = [Row(ward, str(bed), "1", number, admitted="2026-03-01 10:00")
            for bed, (number, ward) in enumerate(people.items())]  # fmt: skip

    def play(minute: int, given_rows: list[Row]) -> InputOutcome:
        return player.play_bytes(export(minute, *given_rows).text().encode(), LATER)

    play(0, rows)
    known = set(player.state.patients)
    for minute in range(1, 4):
        hit = data.draw(st.lists(st.booleans(), min_size=3, max_size=3))
        damage = data.draw(damages)
        saved = [row._replace(patient=damage(row.patient).replace('"', '""')) if is_hit else row
                 for row, is_hit in zip(rows, hit, strict=True)]  # fmt: skip
        if any('""' in row.patient for row in saved):
            saved = [row._replace(patient=f'"{row.patient}"') for row in saved]
        told = play(minute, saved)
        assert What.DISCHARGED not in [one.what for one in told.observations]
        assert set(player.state.patients) == known
        event(f"damaged: {sum(hit)}")
    assert play(10, rows).observations == ()
    assert set(player.open_visits()) == people.keys()


# -- 47: a wrong number of cells ------------------------------------------------------------------------

SHORT = {
    "10_elvis_row_too_short.csv": ("line 6", 8, []),
    "10b_elvis_short_row_only_of_its_ward.csv": ("line 5", 3, ["200001012384", "200001012392"]),
}


@pytest.mark.parametrize("name", SHORT)
def test_a_row_too_short_is_called_that_with_its_line_and_both_counts(name: str) -> None:
    where, count, others = SHORT[name]
    path = CASES / "47_elvis_wrong_number_of_cells" / name
    told = _play(Player(), path)
    assert [(one.reason, one.where) for one in told.warnings] == [("wrong-number-of-cells", where)]
    assert f"the row has {count} cells, the header 12" in told.warnings[0].detail
    assert (told.warnings[0].withholds, told.warnings[0].mark_unread) == (True, True)
    assert [one.patient.identifiers[0].value for one in told.observations] == others
    rows = [one for _, one in outcomes(path.read_bytes(), name, LATER, context())]
    assert {"patient-unreadable", "ward-without-rows"} & {one.reason for one in rows} == set()


@given(st.data())
def test_any_other_number_of_cells_in_any_row_costs_that_row_and_ends_nobody(
    data: st.DataObject,
) -> None:
    player = Player()
    rows = [Row("B1", "9", "9"), Row("B2", "9", "9"), ANNA, BO]
    player.play(File(0, rows))
    lines = File(1, rows).text().splitlines()
    at = data.draw(st.integers(4, 7))
    cells = lines[at].split(";")
    count = data.draw(st.integers(2, 30).filter(lambda n: n != 12))
    lines[at] = ";".join([*cells, *["x"] * 30][:count])
    told = player.play_bytes("\r\n".join([*lines, ""]).encode("windows-1252"), LATER)
    assert told.verdict is Verdict.ACCEPTED
    (said,) = told.warnings
    assert (said.reason, said.where) == ("wrong-number-of-cells", f"line {at + 1}")
    assert f"{count} cells, the header 12" in said.detail
    assert told.observations == ()
    assert set(player.open_visits()) == {"TEST-001", "TEST-002"}
    event(f"row {at}")


def test_where_every_row_has_a_cell_more_than_the_header_the_file_is_called_that() -> None:
    """Programs end data rows with a delimiter that the row of names lacks."""
    rows = [Row("B1", str(bed), "1", f"TEST-{bed:03d}") for bed in range(20)]
    lines = export(0, *rows).text().splitlines()
    lines[4:-1] = [line + ";" for line in lines[4:-1]]
    told = Player().play_bytes("\r\n".join([*lines, ""]).encode("windows-1252"), LATER)
    assert (told.verdict, told.reason, told.where) == (
        Verdict.REVIEW,
        "wrong-number-of-cells",
        "line 5",
    )
    assert "of 22 rows 22 are such; the first: the row has 13 cells, the header 12" in told.detail


# -- 48: control characters -----------------------------------------------------------------------------

CONTROLS = CASES / "48_elvis_control_characters" / "11_elvis_control_chars.csv"


def test_no_control_character_leaves_and_each_is_told_with_its_place() -> None:
    handled, records = Player().handle(CONTROLS.read_bytes(), LATER)
    told = handled.outcome
    assert {(one.reason, one.where) for one in told.warnings} == {
        ("patient-unreadable", "line 6, column Patient-id"),
        ("text-cleaned", "line 7, column Rum"),
    }
    (eighteen,) = told.observations
    assert eighteen.claims.place == Location(ward="B2", room="1[31m", bed="1")
    assert not _controls(records)


def _controls(records: list[Record]) -> list[str]:
    written = [text for one in records for text in (one.key or "", (one.value or b"").decode())]
    return [text for text in written if _has_control(text)]


def _has_control(text: str) -> bool:
    return any(f"\\u{number:04x}" in text for number in [*range(32), *range(127, 160)]) or any(
        sign < " " or "\x7f" <= sign <= "\x9f" for sign in text
    )


hidden = st.sampled_from(
    ["\x00", "\x07", "\x08", "\x0b", "\x1b[2J", "\x1c", "\x7f", "\x85", "\x9b"]
)


@given(hidden, st.sampled_from(Row._fields), st.integers(0, 2))
def test_a_control_character_in_any_cell_at_any_place_never_leaves(
    sign: str, column: str, place: int
) -> None:
    full = ANNA._replace(planned_discharge="2026-03-05 10:00", expected="2026-03-03 10:00",
                         leave="Ja", overbedding="Nej", protection="Nej")  # fmt: skip
    cell = getattr(full, column)
    at = (0, len(cell) // 2, len(cell))[place]
    odd = full._replace(**{column: cell[:at] + sign + cell[at:]})
    settings = ElvisSettings(
        directory=Path("inbox"), format=FORM.model_copy(update={"charset": "utf-8"})
    )
    player = Player(context(settings))
    payload = File(0, [odd, *export(0).rows]).text().encode()
    handled, records = player.handle(payload, LATER)
    assert not _controls(records)
    assert handled.outcome.verdict is Verdict.ACCEPTED
    silent = {"overbedding", "protection"}  # not passed on; any code is a mark
    assert handled.outcome.warnings or column in silent
    event(f"{column}: {[one.reason for one in handled.outcome.warnings]}")


@pytest.mark.parametrize("row", ["Sjukhus;SÄS\x00 Borås", "Avdelningar;B1,B\x1b2"])
def test_a_control_character_in_the_header_refuses_the_file(row: str) -> None:
    text = export(0, ANNA).text()
    begin = row.partition(";")[0]
    whole = next(line for line in text.splitlines() if line.startswith(begin))
    told, records = Player().handle(text.replace(whole, row).encode("windows-1252"), NOON)
    assert told.outcome.reason == "header-unexpected"
    assert not _controls(records)


# -- how much one export may tell -----------------------------------------------------------------------


def test_a_changed_form_of_times_does_not_fill_review_with_every_row() -> None:
    rows = [ANNA._replace(bed=str(bed), patient=f"TEST-{bed:05d}", expected="3/3 kl 10")
            for bed in range(3_000)]  # fmt: skip
    handled, records = Player().handle(export(0, *rows).payload(), NOON)
    assert len(handled.outcome.observations) == 3_000
    items = [one for one in records if one.topic == topics.REVIEW]
    assert len(items) == MAX_ALIKE + 1
    assert any(
        b"2800 more rows of this export have the same" in (one.value or b"") for one in items
    )


def test_records_stay_below_the_limit_whatever_the_rows_and_the_header_hold() -> None:
    rows = [ANNA._replace(room="x" * 300_000, ward="B1" * 200_000), BO._replace(mark="ö" * 400_000)]
    wards = ",".join(["B1", "B2", *(f"W{number}" for number in range(20_000))])
    settings = ElvisSettings(directory=Path("inbox"), guards=Guards(unreadable_rows=100_000))
    for file in (export(0, *rows), File(1, rows, wards)):
        _, records = Player(context(settings)).handle(file.payload(), LATER)
        assert max(len(one.value or b"") for one in records) < MAX_RECORD_BYTES


def test_more_unused_rows_than_can_be_remembered_refuse_even_an_approved_file() -> None:
    rows = [Row("B1", str(bed), "1", "?") for bed in range(10_001)]
    player = Player()
    told = player.play(export(0, *rows), approved=True)
    assert told.reason == "too-many-unreadable-rows"
    fewer = player.play(export(1, *rows[:10_000]), approved=True)
    assert fewer.verdict is Verdict.ACCEPTED
