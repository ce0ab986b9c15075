"""What one row says: each cell's value, cleared, or absent with a warning."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.format import Columns, ExportFormat
from adapters.elvis.outcomes import outcomes
from adapters.elvis.settings import ElvisSettings
from schemas.identifiers import IdentifierKind
from schemas.observation import Location, Observation, Protection
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import File, Row, context

REGISTER = WardRegister(
    [
        Ward(id="SE2321000131-E01", name="Medicin", hospital="SÄS", aliases={"elvis": ("B1",)}),
        Ward(id="SE2321000131-E02", name="Kirurgi", hospital="SÄS", aliases={"elvis": ("B2",)}),
    ]
)
MEDICINE, SURGERY = "SE2321000131-E01", "SE2321000131-E02"
BASE = Row("B1", "12", "1", "200001012384", admitted="2026-03-01 10:00")


def _outcome(row: Row, form: ExportFormat | None = None) -> InputOutcome:
    settings = ElvisSettings(directory=Path("inbox"), format=form or ExportFormat())
    file = File(0, [row, Row("B1", "9", "9")], wards="B1")
    return outcomes(file.payload(), "file.csv", file.at, context(settings, REGISTER))[0][1]


def _observation(row: Row) -> Observation:
    return _outcome(row).observations[0]


CLAIMS: dict[str, tuple[Row, str, Any]] = {
    "place": (BASE, "place", Location(ward=MEDICINE, room="12", bed="1")),
    "place without room": (BASE._replace(room=""), "place", Location(ward=MEDICINE, bed="1")),
    "no place": (BASE._replace(ward="", room="", bed=""), "place", None),
    "responsible": (BASE._replace(responsible=" b2 "), "responsible_ward", SURGERY),
    "nobody responsible": (BASE, "responsible_ward", None),
    "mark": (BASE._replace(mark="B2"), "mark", Location(ward=SURGERY)),
    "no mark": (BASE, "mark", None),
    "expected": (
        BASE._replace(expected="2026-03-02 15:30"),
        "expected_at",
        datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
    ),
    "planned discharge": (
        BASE._replace(planned_discharge="2026-03-03 09:00"),
        "planned_discharge_at",
        datetime(2026, 3, 3, 8, tzinfo=UTC),
    ),
    "on leave": (BASE._replace(leave="JA"), "on_leave", True),
    "not on leave": (BASE, "on_leave", False),
    "admitted": (BASE, "visit_class", "I"),
    "not admitted yet": (BASE._replace(admitted=""), "visit_class", "P"),
    "unmarked": (BASE._replace(protection="Nej"), "protection", Protection.NONE),
    "confidential": (
        BASE._replace(protection="Sekretessmarkering"),
        "protection",
        Protection.CONFIDENTIAL,
    ),
    "protected": (
        BASE._replace(protection="Skyddad folkbokföring"),
        "protection",
        Protection.PROTECTED,
    ),
    "a mark nobody knows": (BASE._replace(protection="S7"), "protection", Protection.UNKNOWN),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims(name: str) -> None:
    row, claim, value = CLAIMS[name]
    claims = _observation(row).claims
    assert claims.says(claim)
    assert getattr(claims, claim) == value
    assert not _outcome(row).warnings


UNREADABLE: dict[str, tuple[Row, str, str, str]] = {
    "responsible": (
        BASE._replace(responsible="X9"),
        "responsible_ward",
        "ward-unknown",
        "line 5, column Medicinskt ansvarig enhet",
    ),
    "mark": (
        BASE._replace(mark="B3"),
        "mark",
        "ward-unknown",
        "line 5, column Avsedd avdelning",
    ),
    "expected": (
        BASE._replace(expected="snart"),
        "expected_at",
        "time-unreadable",
        "line 5, column Förväntad tid",
    ),
    "admitted": (
        BASE._replace(admitted="2026-03-29 02:30"),
        "visit_class",
        "time-unreadable",
        "line 5, column Inskriven",
    ),
    "leave": (
        BASE._replace(leave="kanske"),
        "on_leave",
        "code-unknown",
        "line 5, column Permission",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_cell_is_absent_and_a_warning(name: str) -> None:
    row, claim, reason, where = UNREADABLE[name]
    outcome = _outcome(row)
    assert outcome.verdict is Verdict.ACCEPTED
    assert not outcome.observations[0].claims.says(claim)
    assert [(one.reason, one.where) for one in outcome.warnings] == [(reason, where)]


@pytest.mark.parametrize("mark", ["B3", "B" * 2000, "B\x012"])
@pytest.mark.parametrize("expected", ["2026-03-02 15:30", "", "soon"])
def test_the_time_of_a_mark_that_cannot_be_read_is_absent(mark: str, expected: str) -> None:
    (said,) = _outcome(BASE._replace(mark=mark, expected=expected)).observations
    assert said.unread == ("mark",)
    assert not said.claims.says("expected_at")


def test_the_time_of_a_mark_of_another_feed_is_said() -> None:
    columns = Columns.model_validate({"mark": ""})
    row = BASE._replace(expected="2026-03-02 15:30")
    form = ExportFormat(columns=columns, ignored_columns=("Avsedd avdelning",))
    (said,) = _outcome(row, form).observations
    assert said.unread == ()
    assert said.claims.expected_at is not None


def test_a_ward_outside_the_register_is_never_guessed() -> None:
    outcome = _outcome(BASE._replace(mark="B 1"))
    assert not outcome.observations[0].claims.says("mark")
    assert "'B 1'" in outcome.warnings[0].detail


def test_a_number_in_a_ward_column_is_not_shown_in_the_warning() -> None:
    outcome = _outcome(BASE._replace(mark="200001012392"))
    assert "200001012392" not in repr(outcome.warnings)


NUMBERS = {
    "200001012384": (IdentifierKind.PERSONNUMMER, "200001012384", None),
    "20000101-2384": (IdentifierKind.PERSONNUMMER, "200001012384", None),
    "19810829M071": (IdentifierKind.VGR_RESERVE, "19810829M071", None),
    "19810829M070": (IdentifierKind.VGR_RESERVE, "19810829M070", "check-digit-over-12-positions"),
    "000101-2384": (IdentifierKind.UNCERTAIN, "000101-2384", "century-missing"),
    "200001012385": (IdentifierKind.LOCAL, "200001012385", "check-digit-wrong"),
    "TEST-0001": (IdentifierKind.LOCAL, "TEST-0001", None),
}


@pytest.mark.parametrize("number", NUMBERS)
def test_patients_numbers(number: str) -> None:
    kind, value, warning = NUMBERS[number]
    outcome = _outcome(BASE._replace(patient=number))
    identifier = outcome.observations[0].patient.identifiers[0]
    assert (identifier.kind, identifier.value) == (kind, value)
    assert [one.reason for one in outcome.warnings] == ([warning] if warning else [])
    assert number not in repr(outcome.warnings)
    assert value not in outcome.observations[0].patient.key


def test_only_numbers_that_are_not_national_carry_an_assigner() -> None:
    assert _observation(BASE).patient.identifiers[0].assigner is None
    local = BASE._replace(patient="TEST-0001")
    assert _observation(local).patient.identifiers[0].assigner is None
    form = ExportFormat(local_assigner="lab")
    assert _outcome(local, form).observations[0].patient.identifiers[0].assigner == "lab"


@pytest.mark.parametrize("number", ["", "?", "--", "x", "a\tb\tc", "n" * 101, "okänd!"])
def test_a_row_whose_patient_cannot_be_read_goes_to_review(number: str) -> None:
    outcome = _outcome(BASE._replace(patient=number))
    assert (outcome.verdict, outcome.reason) == (Verdict.REVIEW, "patient-unreadable")
    assert outcome.where == "line 5, column Patient-id"


SPREADSHEETS = {
    "2,00001E+11": "scientific notation",
    "2.00001E+11": "scientific notation",
    "200001012384.0": "decimals",
    "200001012384,0": "decimals",
    "200 001 012 384": "groups of three",
    "'200001012384": "apostrophe",
    "=200001012384": "formula",
    "#SAKNAS!": "error value",
    "1012384": "leading zeros",
}


@pytest.mark.parametrize("number", SPREADSHEETS)
def test_what_a_spreadsheet_made_of_a_number_is_no_patient(number: str) -> None:
    outcome = _outcome(BASE._replace(patient=number))
    assert (outcome.verdict, outcome.reason) == (Verdict.REVIEW, "patient-unreadable")
    assert SPREADSHEETS[number] in outcome.detail
    assert number not in outcome.detail


def test_zeros_are_not_lost_of_numbers_that_another_assigner_gives() -> None:
    form = ExportFormat(local_assigner="lab")
    assert _outcome(BASE._replace(patient="1012384"), form).verdict is Verdict.ACCEPTED


ROOMS: dict[str, tuple[Row, Location, str, str]] = {
    "room too long": (
        BASE._replace(room="x" * 101),
        Location(ward=MEDICINE, bed="1"),
        "cell-too-long",
        "line 5, column Rum",
    ),
    "bed too long": (
        BASE._replace(bed="x" * 200_000),
        Location(ward=MEDICINE, room="12"),
        "cell-too-long",
        "line 5, column Plats",
    ),
    "escape sequence in the room": (
        BASE._replace(room="1\x1b[31m2"),
        Location(ward=MEDICINE, room="1[31m2", bed="1"),
        "text-cleaned",
        "line 5, column Rum",
    ),
    "nothing but a control in the bed": (
        BASE._replace(bed="\x00"),
        Location(ward=MEDICINE, room="12"),
        "text-cleaned",
        "line 5, column Plats",
    ),
}


@pytest.mark.parametrize("name", ROOMS)
def test_an_unreadable_room_costs_the_room_and_not_the_ward(name: str) -> None:
    row, place, reason, where = ROOMS[name]
    outcome = _outcome(row)
    assert outcome.observations[0].claims.place == place
    assert [(one.reason, one.where) for one in outcome.warnings] == [(reason, where)]


def test_a_row_that_lost_its_number_is_no_vacant_place() -> None:
    for row in (BASE, Row("B1", "12", "1", mark="B2"), BASE._replace(mark="B2")):
        outcome = _outcome(row._replace(patient=""))
        assert (outcome.verdict, outcome.reason) == (Verdict.REVIEW, "patient-unreadable")
        assert outcome.trouble is not None
        assert outcome.trouble.mark_unread == bool(row.mark)
    assert _outcome(Row("B1", "12", "1", responsible="B1")).reason == "place-vacant"


def test_two_rows_of_one_patient_both_go_to_review() -> None:
    file = File(0, [BASE, Row("B1", "9", "9"), BASE._replace(bed="2"), BASE], wards="B1")
    result = outcomes(file.payload(), "file.csv", file.at, context(register=REGISTER))
    reasons = [one.reason for _, one in result]
    assert reasons == ["patient-twice", "place-vacant", "patient-twice", "patient-twice"]


def test_a_column_that_is_not_exported_is_absent() -> None:
    form = ExportFormat(columns=Columns(leave="", protection=""))
    names = form.columns.named().values()
    text = "\n".join(
        [
            "Exporttid;2026-03-02 12:00",
            "Sjukhus;SÄS",
            "Avdelningar;B1",
            ";".join(names),
            "B1;12;1;TEST-0001;;;;;;",
            "Antal rader;1",
        ]
    )
    settings = ElvisSettings(directory=Path("inbox"), format=form)
    given = outcomes(text.encode("cp1252"), "f", File(0, []).at, context(settings, REGISTER))
    claims = given[0][1].observations[0].claims
    assert not claims.says("on_leave")
    assert not claims.says("protection")
    assert claims.says("mark")


def test_a_refused_file_is_one_outcome() -> None:
    refused = outcomes(b"hej", "f", File(0, []).at, context(register=REGISTER))
    assert [(number, one.verdict, one.reason) for number, one in refused] == [
        (0, Verdict.REVIEW, "trailer-missing")
    ]


def test_observations_are_states_stamped_with_the_export_time() -> None:
    told = _observation(BASE)
    assert (told.shape, told.trigger, told.recorded_at) == ("state", "row", File(0, []).at)
    assert told.stamp.at == told.recorded_at
    assert 0 <= told.stamp.sequence - told.recorded_at.timestamp() * 1_000_000 < 1000
