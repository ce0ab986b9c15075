"""A place carries its facility: PL.4 or what the layout says, XON-8, or the feed's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.common.outcome import InputOutcome
from adapters.hl7v2.profile import Hl7Profile
from schemas.ward import WardRegister
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, segment
from wardbridge.config.wards import read_register

WARDS = """\
id;name;hospital;alias:ehr;facility:ehr
NORR-52;Medicin;Norr;52@NORR N1;
SODER-52;Medicin;Söder;52@SODER K52;SODER 1.2.752.7
"""
ONE_HOSPITAL = "id;name;hospital;alias:ehr\nNORR-52;Medicin;Norr;52 N1\n"


@pytest.fixture
def wards(tmp_path: Path, request: pytest.FixtureRequest) -> WardRegister:
    path = tmp_path / "wards.csv"
    path.write_text(getattr(request, "param", WARDS), encoding="utf-8")
    return read_register(path)


def read(wards: WardRegister, payload: bytes, layout: str = "") -> InputOutcome:
    profile = Hl7Profile.model_validate(tomllib.loads(layout))
    return normaliser(profile, wards).normalise(payload, RECEIVED_AT)


def marked(outcome: InputOutcome) -> str:
    """The marked ward, or why it is not known."""
    (observation,) = outcome.observations
    mark = observation.claims.mark
    if mark is not None:
        assert not outcome.warnings
        return mark.ward
    (trouble,) = outcome.warnings
    assert not observation.claims.says("mark")
    assert "mark" in observation.unread
    return trouble.reason


@pytest.mark.parametrize(
    ("place", "ward"),
    [
        ("52^1^1^SODER", "SODER-52"),
        ("52^1^1^NORR", "NORR-52"),
        ("52^1^1^soder&1.2.752.7&ISO", "SODER-52"),
        ("52^1^1^&1.2.752.7&ISO", "SODER-52"),
        ("52^1^1^X&1.2.752.7&ISO", "SODER-52"),
        ("52^1^1^VAST", "ward-elsewhere"),
        ("52^1^1^NORR&1.2.752.7&ISO", "ward-ambiguous"),
        ("52^1^1", "ward-ambiguous"),
        ("52", "ward-ambiguous"),
        ('52^1^1^""', "ward-ambiguous"),
        ("52^1^1^&&ISO", "ward-ambiguous"),
        ("52^1^1^^^^NORR", "ward-ambiguous"),  # the building is not what tells
        ("N1^1^1", "NORR-52"),
        ("N1^1^1^Norr", "NORR-52"),
        ("N1^1^1^NORR", "NORR-52"),
        ("N1^1^1^SODER", "ward-elsewhere"),
        ("K52^1^1^1.2.752.7", "SODER-52"),
        ("K52^1^1^NORR", "ward-elsewhere"),
        ("99^1^1^SODER", "ward-unknown"),
    ],
)
@pytest.mark.parametrize("event", ["A05", "A14", "A15"])
def test_a_mark_is_a_ward_of_its_facility(
    wards: WardRegister, event: str, place: str, ward: str
) -> None:
    assert marked(read(wards, message(event, {42: place}))) == ward


@pytest.mark.parametrize("wards", [ONE_HOSPITAL], indirect=True)
def test_a_place_of_a_hospital_that_nobody_knows_is_no_ward_of_ours(wards: WardRegister) -> None:
    assert marked(read(wards, message("A14", {42: "52^1^1^SODER"}))) == "ward-elsewhere"
    assert marked(read(wards, message("A14", {42: "52^1^1^NORR"}))) == "NORR-52"
    assert marked(read(wards, message("A14", {42: "52^1^1"}))) == "NORR-52"


@pytest.mark.parametrize(
    ("layout", "place", "ward"),
    [
        ('location.facility = ""', "N1^1^1^VGR", "NORR-52"),
        ('location.facility = ""', "52^1^1^SODER", "ward-ambiguous"),
        ("location.facility = 7", "52^1^1^VGR^^^SODER", "SODER-52"),
        ("location.facility = 7", "52^1^1^VGR^^^NORR", "NORR-52"),
        ('location.default_facility = "SODER"', "52^1^1", "SODER-52"),
        ('location.default_facility = "SODER"', "52^1^1^NORR", "NORR-52"),
        ('location.default_facility = "SODER"', "N1", "ward-elsewhere"),
        ('location = { facility = "", default_facility = "SODER" }', "52^1^1^NORR", "SODER-52"),
        ("location = { ward = 4, facility = 1 }", "SODER^1^1^52", "SODER-52"),
        ("location = { ward = 4 }", "SODER^1^1^52", "ward-ambiguous"),
        ("location = { ward = 4 }", "SODER^1^1^K52", "SODER-52"),
        ('location = { room = "", bed = "" }', "52^1^1^SODER", "SODER-52"),
    ],
)
def test_a_profile_says_where_the_facility_is(
    wards: WardRegister, layout: str, place: str, ward: str
) -> None:
    assert marked(read(wards, message("A14", {42: place}), layout)) == ward


@pytest.mark.parametrize("part", ["ward", "room", "bed"])
def test_a_facility_is_no_other_component(part: str) -> None:
    with pytest.raises(ValidationError, match="component 4 is the ward, room or bed already"):
        Hl7Profile.model_validate(tomllib.loads(f"location = {{ facility = 4, {part} = 4 }}"))


def test_rooms_and_beds_are_switched_off_by_an_empty_text(wards: WardRegister) -> None:
    payload = message("A02", {3: "K52^7^B"})
    place = read(wards, payload, 'location = { room = "", bed = "" }').observations[0].claims.place
    assert place is not None
    assert place.model_fields_set == {"ward"}


@pytest.mark.parametrize(
    ("organisation", "layout", "ward"),
    [
        ("Medicin^^^^^^^SODER^^52", "", "SODER-52"),
        ("52^^^^^^^SODER", "", "SODER-52"),
        ("Medicin^^^^^^^NORR^^K52", "", "ward-elsewhere"),
        ("Medicin^^^^^^^^^52", "", "ward-ambiguous"),
        ("Medicin^^^^^^^^^52", 'location.default_facility = "NORR"', "NORR-52"),
        ("K52", "", "SODER-52"),
    ],
)
def test_a_responsible_ward_is_one_of_its_facility(
    wards: WardRegister, organisation: str, layout: str, ward: str
) -> None:
    zbe = segment("ZBE", {1: "M1", 2: "20260115115900", 4: "INSERT", 5: "N", 7: organisation})
    outcome = read(wards, message("A01", {}, zbe), layout)
    claimed = outcome.observations[0].claims.responsible_ward
    assert (claimed or outcome.reason) == ward


@pytest.mark.parametrize(
    ("named", "outcome"),
    [
        ("52^^^SODER", ("accepted", "SODER-52")),
        ("52", ("review", "cancel-of-unknown-ward")),
        ("K52^^^NORR", ("review", "cancel-of-unknown-ward")),
    ],
)
def test_a_cancel_of_a_ward_that_cannot_be_told_cancels_nothing_else(
    wards: WardRegister, named: str, outcome: tuple[str, str]
) -> None:
    found = read(wards, message("A27", {42: named}))
    marks = [each.claims.mark for each in found.observations if each.claims.mark]
    assert (found.verdict, marks[0].ward if marks else found.reason) == outcome


@pytest.mark.parametrize(
    ("named", "lies", "outcome"),
    [
        ("^^^SODER", "52^^^SODER", ("accepted", "SODER-52")),
        ("^^^SODER", "52^^^NORR", ("review", "plan-without-ward")),
        ("^^^SODER", "K52", ("accepted", "SODER-52")),
        ("^^^VAST", "52^^^NORR", ("accepted", "NORR-52")),
        ("20210330", "52^^^NORR", ("accepted", "NORR-52")),
    ],
)
def test_a_plan_for_a_hospital_marks_no_ward_of_another(
    wards: WardRegister, named: str, lies: str, outcome: tuple[str, str]
) -> None:
    found = read(wards, message("A14", {3: lies, 42: named}))
    marks = [each.claims.mark for each in found.observations if each.claims.mark]
    assert (found.verdict, marks[0].ward if marks else found.reason) == outcome
    if marks:
        assert "PV1-42" in [warning.where for warning in found.warnings]


def test_what_is_said_of_it_names_no_code_and_says_what_to_do(wards: WardRegister) -> None:
    details: Mapping[str, str] = {
        trouble.reason: trouble.detail
        for place in ("52", "N1^^^VAST")
        for trouble in read(wards, message("A14", {42: place})).warnings
    }
    assert "default_facility" in details["ward-ambiguous"]
    assert "CODE@FACILITY" in details["ward-elsewhere"]
    assert all("VAST" not in text and "52" not in text for text in details.values())
