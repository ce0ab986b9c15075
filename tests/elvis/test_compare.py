"""Snapshots in a row: what is observed, what is not, and which files are not believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.settings import ElvisSettings, Scope
from adapters.elvis.state import without_scopes
from schemas.observation import Location, What
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import File, Row, context, export
from tests.elvis.player import Player

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1", admitted="2026-03-01 10:00")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2", admitted="2026-03-01 10:00")
MARKED = Row(patient="TEST-003", mark="B2", expected="2026-03-02 15:00")

TWO_SCOPES = ElvisSettings(
    directory=Path("inbox"),
    scopes=(
        Scope(name="boras", hospital="SÄS Borås", wards=("B1", "B2"), export_interval_s=900),
        Scope(name="skene", hospital="SÄS Skene", wards=("S1",), export_interval_s=900),
    ),
)


def _skene(minute: int, *rows: Row) -> File:
    return export(minute, *rows, wards="S1", hospital="SÄS Skene")


def _whats(outcome: InputOutcome) -> list[What]:
    return [one.what for one in outcome.observations]


# -- what is observed -----------------------------------------------------------------------------


def test_only_changed_rows_are_observed() -> None:
    player = Player()
    assert len(player.play(export(0, ANNA, BO, MARKED)).observations) == 3
    told = player.play(export(15, ANNA, BO._replace(mark="B1"), MARKED)).observations
    assert [one.claims.mark for one in told] == [Location(ward="B1")]
    assert player.play(export(30, MARKED, BO._replace(mark="B1"), ANNA)).observations == ()


def test_a_change_that_no_claim_shows_is_not_observed() -> None:
    player = Player()
    player.play(export(0, ANNA))
    assert player.play(export(15, ANNA._replace(overbedding="Ja"))).observations == ()


def test_moves_keep_the_visit() -> None:
    player = Player()
    player.play_all([export(0, ANNA), export(15, ANNA._replace(ward="B2")), export(30)])
    assert len({one.visit for one in player.observations}) == 1
    assert [one.what for one in player.observations] == [
        What.DESCRIBED,
        What.DESCRIBED,
        What.DISCHARGED,
    ]


def test_the_next_sighting_after_an_end_is_another_visit() -> None:
    player = Player()
    player.play_all([export(0, ANNA), export(15), export(30, ANNA), export(45), export(60, ANNA)])
    described = [one for one in player.observations if one.what is What.DESCRIBED]
    assert len({one.visit for one in described}) == 3
    assert len({one.patient.key for one in described}) == 1


def test_what_is_observed_of_a_file_depends_on_no_clock_but_the_receipt() -> None:
    first, second = Player(), Player()
    first.play(export(0, ANNA))
    second.play(export(0, ANNA), received_at=datetime(2026, 3, 4, tzinfo=UTC))
    assert [one.id for one in first.observations] == [one.id for one in second.observations]


def test_a_corrected_register_brings_what_was_absent() -> None:
    wards = [Ward(id="B1", name="Medicin", hospital="SÄS")]
    player = Player(context(register=WardRegister(wards)))
    row = ANNA._replace(mark="B2")
    files = [export(minute, row, wards="B1") for minute in (0, 15)]
    assert [one.reason for one in player.play(files[0]).warnings] == ["ward-unknown"]
    wards.append(Ward(id="B2", name="Kirurgi", hospital="SÄS"))
    player.context = context(register=WardRegister(wards))
    told = player.play(files[1]).observations
    assert [one.claims.mark for one in told] == [Location(ward="B2")]


def test_a_warning_is_told_once_while_the_row_stands_unchanged() -> None:
    player = Player()
    row = ANNA._replace(leave="kanske")
    assert [len(player.play(export(at, row)).warnings) for at in (0, 15, 30)] == [1, 0, 0]


def test_a_warning_is_told_once_also_of_a_patient_whom_two_scopes_list() -> None:
    player = Player(context(TWO_SCOPES))
    row = ANNA._replace(leave="kanske")
    player.play_all([export(0, row), _skene(1, row._replace(ward="S1")), export(15, row)])
    assert player.play(export(30, row)).warnings == ()


# -- absence -----------------------------------------------------------------------------------------


def test_absence_is_discharge_only_after_two_rounds_of_exports_and_the_grace() -> None:
    player = Player(context(TWO_SCOPES))
    player.play_all([_skene(0), export(5, ANNA)])
    for lacks in (_skene(15), export(20), _skene(30), export(35)):
        assert _whats(player.play(lacks)) == []
    assert _whats(player.play(_skene(45))) == []
    assert _whats(player.play(export(50))) == [What.DISCHARGED]


def test_a_scope_that_never_spoke_keeps_every_visit_open() -> None:
    player = Player(context(TWO_SCOPES))
    player.play_all([export(0, ANNA), export(15), export(30)])
    assert _whats(player.play(export(45))) == []


def test_who_appears_in_another_scope_has_moved() -> None:
    player = Player(context(TWO_SCOPES))
    player.play_all([_skene(0), export(0, ANNA), export(15), _skene(15, ANNA._replace(ward="S1"))])
    player.play_all([export(30), _skene(30, ANNA._replace(ward="S1"))])
    assert len({one.visit for one in player.observations}) == 1
    assert player.open_visits()["TEST-001"].place == Location(ward="S1", room="2", bed="1")


def test_who_leaves_one_scope_after_the_other_s_last_export_has_moved() -> None:
    """Told as discharged in between, while the grace began with the last sighting and was 0."""
    player = Player(context(TWO_SCOPES))
    moved = ANNA._replace(ward="S1")
    player.play_all([_skene(0), export(0, ANNA), _skene(14), export(15), _skene(29, moved)])
    assert {one.what for one in player.observations} == {What.DESCRIBED}
    assert len({one.visit for one in player.observations}) == 1


def test_who_moves_while_the_exports_of_the_scope_they_left_are_lost_has_moved() -> None:
    player = Player(context(TWO_SCOPES))
    player.play_all([_skene(0), export(0, ANNA), _skene(15), _skene(30), _skene(43), export(45)])
    player.play_all([_skene(58, ANNA._replace(ward="S1"))])
    assert {one.what for one in player.observations} == {What.DESCRIBED}


def test_the_newest_sighting_decides_when_two_scopes_list_a_patient() -> None:
    player = Player(context(TWO_SCOPES))
    elsewhere = ANNA._replace(ward="S1")
    player.play_all([export(0, ANNA), _skene(5, elsewhere), export(15, ANNA)])
    assert player.open_visits()["TEST-001"].place == Location(ward="B1", room="2", bed="1")
    player.play_all([_skene(20, elsewhere), _skene(35), export(30, ANNA)])
    assert player.open_visits()["TEST-001"].place == Location(ward="B1", room="2", bed="1")


def test_while_a_row_has_no_readable_patient_nobody_is_absent() -> None:
    player = Player()
    player.play(export(0, ANNA, BO))
    blurred = player.play(export(15, BO, ANNA._replace(patient="?")))
    assert (_whats(blurred), [one.reason for one in blurred.warnings]) == (
        [],
        ["patient-unreadable"],
    )
    assert player.play(export(30, BO, ANNA._replace(patient="?"))).warnings == ()
    assert _whats(player.play(export(45, BO))) == [What.DISCHARGED]


@pytest.mark.parametrize(
    "damaged", ["2,00001E+11", "2.00001E+11", "200001012384.0", "200 001 012 384", "1012384", "'1"]
)
def test_what_a_spreadsheet_made_of_a_number_ends_nobody(damaged: str) -> None:
    player, numbered = Player(), ANNA._replace(patient="200001012384")
    player.play(export(0, numbered, BO))
    saved = player.play(export(15, BO, numbered._replace(patient=damaged)))
    assert (_whats(saved), [w.reason for w in saved.warnings]) == ([], ["patient-unreadable"])
    both = [each._replace(patient=damaged) for each in (numbered, BO)]
    assert _whats(player.play(export(30, *both))) == []
    assert set(player.open_visits()) == {"200001012384", BO.patient}
    assert _whats(player.play(export(45, numbered, BO))) == []


def test_a_blurred_file_of_another_scope_ends_nobody_either() -> None:
    blurred = ANNA._replace(patient="?")
    player = Player(context(TWO_SCOPES))
    player.play_all([_skene(0), export(0, ANNA)])
    for minute in range(15, 120, 15):
        assert _whats(player.play(export(minute))) == []
        assert _whats(player.play(_skene(minute + 1, blurred))) == []
    ends = [_whats(player.play(_skene(minute))) + _whats(player.play(export(minute + 1)))
            for minute in range(121, 200, 15)]  # fmt: skip
    assert [What.DISCHARGED] in ends


def test_two_rows_of_one_patient_change_nothing_and_keep_the_visit() -> None:
    player = Player()
    player.play(export(0, ANNA))
    twice = export(15, ANNA._replace(bed="2"), ANNA._replace(bed="3"))
    outcome = player.play(twice)
    assert (_whats(outcome), [(one.reason, one.where) for one in outcome.warnings]) == (
        [],
        [("patient-twice", f"line {line}, column Patient-id") for line in (7, 8)],
    )
    again = export(30, *twice.rows[2:])
    assert player.play(again).warnings == ()
    assert len(player.play(export(45, ANNA._replace(bed="3"))).observations) == 1


def test_two_rows_of_one_patient_may_be_two_patients_and_end_nobody() -> None:
    """A spreadsheet makes one number of two: the other patient has not left."""
    player = Player()
    player.play(export(0, ANNA, BO))
    alike = export(15, ANNA, BO._replace(patient=ANNA.patient))
    assert _whats(player.play(alike)) == []
    assert _whats(player.play(export(30, ANNA, BO))) == []
    assert set(player.open_visits()) == {"TEST-001", "TEST-002"}


def test_two_rows_of_an_unknown_patient_make_no_visit() -> None:
    player = Player()
    assert _whats(player.play(export(0, ANNA, ANNA._replace(bed="2")))) == []
    assert _whats(player.play(export(15, ANNA))) == [What.DESCRIBED]


def test_a_scope_taken_out_of_the_configuration_keeps_nobody() -> None:
    player = Player(context(TWO_SCOPES))
    player.play_all([export(0), _skene(0, ANNA._replace(ward="S1"))])
    one_scope = TWO_SCOPES.model_copy(update={"scopes": TWO_SCOPES.scopes[:1]})
    player.context = context(one_scope)
    without_scopes(player.state, ["boras"])
    assert _whats(player.play(export(15))) == [What.DISCHARGED]


# -- guards ------------------------------------------------------------------------------------------


def _patients(ward: str, count: int) -> list[Row]:
    return [Row(ward, str(bed), "1", f"TEST-{ward}-{bed:03d}") for bed in range(count)]


REFUSED: dict[str, tuple[list[File], File, str]] = {
    "older": ([export(15, ANNA)], export(0, ANNA, BO), "older-than-last"),
    "same time, other content": ([export(15, ANNA)], export(15, ANNA, BO), "older-than-last"),
    "hospital unknown": ([], export(0, ANNA, hospital="NÄL"), "scope-unknown"),
    "ward missing": ([], export(0, ANNA, wards="B1"), "wards-missing"),
    "ward unexpected": ([], export(0, ANNA, wards="B1,B2,B3"), "wards-unexpected"),
    "ward without rows": ([], File(0, [ANNA]), "ward-without-rows"),
    "mostly unreadable": (
        [],
        export(0, *(row._replace(patient="?") for row in _patients("B1", 6))),
        "too-many-unreadable-rows",
    ),
    "ward emptied": (
        [export(0, *_patients("B1", 10), *_patients("B2", 10))],
        export(15, *_patients("B1", 4), *_patients("B2", 10)),
        "shrunk",
    ),
    "waiting list emptied": ([export(0, *_patients("", 4))], export(15), "shrunk"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_guarded_file_changes_nothing_and_says_why(name: str) -> None:
    before, file, reason = REFUSED[name]
    player = Player(context(TWO_SCOPES))
    player.play_all(before)
    patients, scopes = dict(player.state.patients), dict(player.state.scopes)
    outcome = player.play(file)
    assert (outcome.verdict, outcome.reason) == (Verdict.REVIEW, reason)
    assert (player.state.patients, player.state.scopes) == (patients, scopes)


BELIEVED: dict[str, tuple[list[File], File]] = {
    "half of a ward gone": ([export(0, *_patients("B1", 8))], export(15, *_patients("B1", 4))),
    "a small ward emptied": ([export(0, *_patients("B1", 3))], export(15)),
    "a ward moved": (
        [export(0, *_patients("B1", 10))],
        export(15, *(row._replace(ward="B2") for row in _patients("B1", 10))),
    ),
    "five blurred rows": (
        [],
        export(0, *(row._replace(patient="?") for row in _patients("B1", 5))),
    ),
    "wards in other order and case": ([], export(0, ANNA, wards="b2,b1")),
}


@pytest.mark.parametrize("name", BELIEVED)
def test_what_passes_the_guards(name: str) -> None:
    before, file = BELIEVED[name]
    player = Player(context(TWO_SCOPES))
    player.play_all(before)
    assert player.play(file).verdict is Verdict.ACCEPTED


def test_a_person_can_approve_a_shrunk_file_and_no_older_one() -> None:
    player = Player()
    player.play(export(0, *_patients("B1", 10)))
    shrunk = export(15)
    assert player.play(shrunk).reason == "shrunk"
    assert len(player.play(shrunk, approved=True).observations) == 10
    assert player.play(export(0), approved=True).reason == "older-than-last"


def test_an_export_ahead_of_our_clock_is_refused() -> None:
    player = Player()
    ahead = export(10, ANNA)
    received_at = ahead.at - timedelta(seconds=301)
    assert player.play(ahead, received_at=received_at).reason == "exported-in-future"
    assert player.play(ahead, received_at=ahead.at - timedelta(seconds=300)).observations


def test_without_scopes_a_hospital_is_one_and_may_grow_but_not_lose_wards() -> None:
    player = Player()
    assert player.play(export(0, wards="B1")).verdict is Verdict.ACCEPTED
    assert player.play(export(15, wards="B1,B2")).verdict is Verdict.ACCEPTED
    assert player.play(export(30, wards="B1")).reason == "wards-missing"


def test_snapshots_go_on_through_the_hour_that_autumn_repeats() -> None:
    player = Player()
    midnight = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    locals_and_utc = [
        ("01:45", 105),
        ("02:15", 135),
        ("02:45", 165),
        ("02:15", 195),
        ("03:00", 240),
    ]
    for local, minutes in locals_and_utc:
        text = export(0, ANNA).text().replace("2026-03-02 12:00:00", f"2026-10-25 {local}:00")
        text = text.replace(";2;1;", f";2;{minutes};")
        at = midnight + timedelta(minutes=minutes)
        outcome = player.play_bytes(text.encode("cp1252"), at + timedelta(minutes=1))
        assert [one.recorded_at for one in outcome.observations] == [at], local


# -- repetition --------------------------------------------------------------------------------------


CHANGES: list[Callable[[Player], InputOutcome]] = [
    lambda player: player.play(export(0, ANNA)),
    lambda player: player.play(export(15, BO)),
]


@pytest.mark.parametrize("again", CHANGES)
def test_a_file_seen_again_is_known(again: Callable[[Player], InputOutcome]) -> None:
    player = Player()
    player.play_all([export(0, ANNA), export(15, BO)])
    outcome = again(player)
    assert (outcome.verdict, outcome.reason) == (Verdict.IGNORED, "file-known")


def test_a_refused_file_seen_again_writes_nothing_more() -> None:
    player = Player()
    shrunk = export(15)
    player.play(export(0, *_patients("B1", 10)))
    received_at = shrunk.at
    _, first = player.handle(shrunk.payload(), received_at)
    handled, second = player.handle(shrunk.payload(), received_at)
    assert {record.topic for record in first} == {"raw", "review", "snapshots"}
    assert handled.outcome.verdict is Verdict.REVIEW
    assert second == []


def test_only_so_many_files_are_remembered() -> None:
    settings = ElvisSettings(directory=Path("inbox"), remember_files=3)
    player = Player(context(settings))
    player.play_all([export(minute) for minute in range(6)])
    assert len(player.state.files) == 3
    assert player.play(export(5)).reason == "file-known"


def test_ended_visits_are_forgotten_after_the_configured_time() -> None:
    settings = ElvisSettings(directory=Path("inbox"), remember_ended_days=31)
    player = Player(context(settings))
    player.play_all([export(0, ANNA), export(15)])
    day = 24 * 60
    for minutes, kept in ((31 * day, 1), (31 * day + 120, 0)):
        at = datetime(2026, 3, 2, 12, 0) + timedelta(minutes=minutes)  # noqa: DTZ001
        text = export(0).text().replace("2026-03-02 12:00:00", f"{at:%Y-%m-%d %H:%M:%S}")
        player.play_bytes(text.encode("cp1252"), datetime(2026, 6, 1, tzinfo=UTC))
        assert len(player.state.patients) == kept
