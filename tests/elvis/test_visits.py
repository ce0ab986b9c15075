"""Exports that number their visits, and wards whose codes hospitals share: where a column says so."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.settings import ElvisSettings
from schemas.observation import Location, What
from schemas.ward import Ward, WardRegister
from tests.elvis.exports import NOON, context
from tests.elvis.player import Player

COLUMNS = """
[format.columns]
visit = "Vårdtillfälle"
visit_assigner = "Utfärdare"
facility = "Inrättning"
mark_facility = "Avsedd inrättning"
"""
NAMES = (
    "Avdelning;Inrättning;Rum;Plats;Patient-id;Vårdtillfälle;Utfärdare;Medicinskt ansvarig enhet;Inskriven;"
    "Planerad utskrivning;Avsedd avdelning;Avsedd inrättning;Förväntad tid;Permission;Överbeläggning;Sekretess"
)
VACANT = "52;SODER;9;9;;;;;;;;;;;;"


def _row(patient: str, visit: str, assigner: str = "", mark: str = "", facility: str = "") -> str:
    return f"52;SODER;1;1;{patient};{visit};{assigner};;2026-03-02 08:00;;{mark};{facility};;;;"


REGISTER = WardRegister(
    [
        Ward(id="SODER-52", name="52", hospital="Söder", aliases={"elvis": ("52@SODER",)}),
        Ward(id="NORR-52", name="52", hospital="Norr", aliases={"elvis": ("52@NORR",)}),
    ]
)


def _player(more: str = "", register: WardRegister | None = None) -> Player:
    table = tomllib.loads(more + COLUMNS)
    settings = ElvisSettings.model_validate({"directory": Path("inbox"), **table})
    return Player(context(settings, register or REGISTER))


def _play(player: Player, minute: int, *rows: str) -> InputOutcome:
    lines = [
        f"Exporttid;2026-03-02 12:{minute:02}", "Sjukhus;Söder", "Avdelningar;52", NAMES, VACANT, *rows,
        f"Antal rader;{len(rows) + 1}", "",
    ]  # fmt: skip
    return player.play_bytes("\r\n".join(lines).encode("windows-1252"), NOON.replace(hour=23))


def _told(outcome: InputOutcome) -> list[tuple[What, str | None]]:
    return [(one.what, one.visit) for one in outcome.observations]


VISITS = [
    ("", "V1", "", "V1"),
    ("", "V1", "PAS", "V1@PAS"),
    ("", "V1@x%", "P@S", "V1%40x%25@P%40S"),
    ('[format]\nvisit_assigner = "ELVIS"\n', "V1", "", "V1@ELVIS"),
    ('[format]\nvisit_assigner = "ELVIS"\n', "V1", "PAS", "V1@PAS"),
]


@pytest.mark.parametrize(("more", "number", "assigner", "visit"), VISITS)
def test_a_visit_is_its_number_with_who_gave_it(
    more: str, number: str, assigner: str, visit: str
) -> None:
    player = _player(more)
    told = _play(player, 0, _row("TEST-001", number, assigner))
    assert _told(told) == [(What.DESCRIBED, visit)]
    assert _told(_play(player, 1)) == [(What.DISCHARGED, visit)]


def test_two_visits_of_one_patient_are_two_and_end_by_themselves() -> None:
    player = _player()
    _play(player, 0, _row("TEST-001", "V1"), _row("TEST-001", "V2"))
    assert set(player.open_visits()) == {"TEST-001"}
    assert _told(_play(player, 1, _row("TEST-001", "V2"))) == [(What.DISCHARGED, "V1")]
    assert _told(_play(player, 2, _row("TEST-001", "V3"))) == [
        (What.DESCRIBED, "V3"),
        (What.DISCHARGED, "V2"),
    ]


def test_a_visit_that_is_listed_again_is_the_same_visit() -> None:
    player = _player()
    for minute, rows in enumerate([[_row("TEST-001", "V1")], [], [_row("TEST-001", "V1")]]):
        _play(player, minute, *rows)
    assert {one.visit for one in player.observations} == {"V1"}


def test_a_visit_whose_patient_s_number_is_corrected_stays_and_is_told() -> None:
    player = _player()
    _play(player, 0, _row("TEST-001", "V1"))
    (told,) = _play(player, 1, _row("TEST-002", "V1")).observations
    assert (told.visit, told.patient.identifiers[0].value) == ("V1", "TEST-002")


NO_VISITS: Sequence[str] = ["", "2,00001E+11", "V\x001", "x" * 101, "#REF!"]


@pytest.mark.parametrize("number", NO_VISITS)
def test_a_row_without_a_readable_visit_is_never_taken_for_another(number: str) -> None:
    """No fallback to the patient: with one an export and the next would be two visits."""
    player = _player()
    _play(player, 0, _row("TEST-001", "V1"), _row("TEST-002", "V2"))
    told = _play(player, 1, _row("TEST-001", number), _row("TEST-002", "V2"))
    assert (told.verdict, told.observations) == (Verdict.ACCEPTED, ())
    assert [(one.reason, one.where) for one in told.warnings] == [
        ("visit-unreadable", "line 6, column Vårdtillfälle")
    ]
    assert _told(_play(player, 2, _row("TEST-001", "V1"), _row("TEST-002", "V2"))) == []


def test_one_visit_in_two_rows_is_not_used_and_ends_nobody() -> None:
    player = _player()
    _play(player, 0, _row("TEST-001", "V1"))
    told = _play(player, 1, _row("TEST-001", "V1", mark="52"), _row("TEST-002", "V1"))
    assert (told.observations, {one.reason for one in told.warnings}) == ((), {"patient-twice"})


def test_a_ward_code_that_hospitals_share_is_told_by_its_facility() -> None:
    told = _play(_player(), 0, _row("TEST-001", "V1", mark="52", facility="NORR"))
    (anna,) = told.observations
    assert anna.claims.place == Location(ward="SODER-52", room="1", bed="1")
    assert anna.claims.mark == Location(ward="NORR-52")
    assert told.warnings == ()


@pytest.mark.parametrize(
    ("facility", "reason"),
    [("", "ward-ambiguous"), ("VÄST", "ward-elsewhere"), ("N\x00", "text-unreadable")],
)
def test_without_its_facility_a_shared_code_is_no_ward(facility: str, reason: str) -> None:
    told = _play(_player(), 0, _row("TEST-001", "V1", mark="52", facility=facility))
    (anna,) = told.observations
    assert not anna.claims.says("mark")
    assert [(one.reason, one.mark_unread) for one in told.warnings] == [(reason, True)]
