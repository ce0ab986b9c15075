"""Which hospital a Location's ward is of."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from adapters.common.outcome import InputOutcome
from schemas.ward import WardRegister
from tests.fhir.lab import RECEIVED_AT, Json, at, bundle, encounter, normaliser
from wardbridge.config.wards import read_register

REGISTER = """\
id;name;hospital;alias:ehr;facility:ehr
NORR-52;Medicin;Norr;52@NORR N1;
SODER-52;Medicin;Söder;52@SODER K52;1.2.752.7
SODER-60;Geriatrik;Söder;60@HUSB;
"""


@pytest.fixture
def wards(tmp_path: Path) -> WardRegister:
    (tmp_path / "wards.csv").write_text(REGISTER, encoding="utf-8")
    return read_register(tmp_path / "wards.csv")


def place(number: str, code: str = "", kind: str = "", **more: str) -> Json:
    """A Location; ``part`` and ``by`` are what it is part of and who manages it."""
    found: Json = {"resourceType": "Location", "id": number}
    found |= {"identifier": [{"value": code}]} if code else {}
    found |= {"physicalType": {"coding": [{"code": kind}]}} if kind else {}
    found |= {"partOf": {"reference": f"Location/{more['part']}"}} if "part" in more else {}
    if "by" in more:
        found["managingOrganization"] = {"reference": f"Organization/{more['by']}"}
    return found


def unit(number: str, code: str = "", part: str = "") -> Json:
    found: Json = {"resourceType": "Organization", "id": number, "name": f"name of {number}"}
    found |= {"identifier": [{"value": code}]} if code else {}
    return found | ({"partOf": {"reference": f"Organization/{part}"}} if part else {})


def read(wards: WardRegister, *resources: Json, profile: str = "") -> InputOutcome:
    reader = normaliser(wards, **tomllib.loads(profile))
    return reader.normalise(json.dumps(bundle("collection", *resources)).encode(), RECEIVED_AT)


def mark(outcome: InputOutcome) -> str:
    (said,) = outcome.observations
    if said.claims.mark is not None:
        assert not outcome.warnings
        return said.claims.mark.ward
    assert "mark" in said.unread
    return outcome.reason


STAY = encounter(location=[at("w", "planned")])


@pytest.mark.parametrize(
    ("around", "ward"),
    [
        # what it is part of, however far up
        ([place("w", "52", part="s"), place("s", "SODER", "si")], "SODER-52"),
        ([place("w", "52", part="s"), place("s", "NORR", "si")], "NORR-52"),
        ([place("w", "52", part="s"), place("s", "1.2.752.7")], "SODER-52"),
        ([place("w", "52", part="l"), place("l", "2", "lvl", part="s"), place("s", "SODER")], "SODER-52"),
        ([place("w", "52", part="SODER")], "SODER-52"),  # not at hand: its id says it
        ([place("w", "52", part="s"), place("s", "VAST", "si")], "ward-elsewhere"),
        ([place("w", "52", part="s"), place("s", "2", "lvl")], "ward-ambiguous"),
        ([place("w", "52")], "ward-ambiguous"),
        ([place("w", "N1", part="s"), place("s", "SODER", "si")], "ward-elsewhere"),
        ([place("w", "N1", part="s"), place("s", "UNHEARD", "si")], "ward-elsewhere"),
        ([place("w", "N1", part="s"), place("s", "2", "lvl")], "NORR-52"),
        ([place("w", "N1")], "NORR-52"),
        ([place("w", "60", part="b"), place("b", "HUSB", "bu")], "SODER-60"),
        ([place("w", "60", part="b"), place("b", "HUSC", "bu")], "ward-ambiguous"),
        # who manages it, or what it is part of
        ([place("w", "52", by="o"), unit("o", "SODER")], "SODER-52"),
        ([place("w", "52", by="o"), unit("o", "MED", "p"), unit("p", "NORR")], "NORR-52"),
        ([place("w", "52", part="l"), place("l", "2", "lvl", by="o"), unit("o", "SODER")], "SODER-52"),
        ([place("w", "N1", by="o"), unit("o", "SODER")], "ward-elsewhere"),
        ([place("w", "N1", by="o"), unit("o", "UNHEARD")], "ward-elsewhere"),
        ([place("w", "N1", by="o"), unit("o", "N1")], "NORR-52"),  # the ward's own unit
        ([place("w", "52", by="o"), unit("o", "52", "p"), unit("p", "SODER")], "SODER-52"),
        ([place("w", "52", by="SODER")], "SODER-52"),
        # the two contradict each other
        ([place("w", "52", part="s", by="o"), place("s", "NORR"), unit("o", "SODER")], "ward-ambiguous"),
        ([place("w", "N1", part="s", by="o"), place("s", "NORR"), unit("o", "SODER")], "ward-ambiguous"),
        # circles end
        ([place("w", "52", part="x"), place("x", "2", "lvl", part="w")], "ward-ambiguous"),
        ([place("w", "52", by="o"), unit("o", "SODER", "o")], "SODER-52"),
    ],
)  # fmt: skip
def test_a_mark_is_a_ward_of_its_facility(
    wards: WardRegister, around: list[Json], ward: str
) -> None:
    assert mark(read(wards, STAY, *around)) == ward


@pytest.mark.parametrize(
    ("provider", "around", "ward"),
    [
        ("SODER", [place("w", "52")], "SODER-52"),
        ("o", [place("w", "52"), unit("o", "", "NORR")], "NORR-52"),
        ("o", [place("w", "52"), unit("o", "UNHEARD")], "ward-ambiguous"),
        # it never takes a ward away that the code alone tells, nor one that the place tells
        ("SODER", [place("w", "N1")], "NORR-52"),
        ("SODER", [place("w", "52", part="NORR")], "NORR-52"),
        ("SODER", [place("w", "N1", part="UNHEARD")], "ward-elsewhere"),
    ],
)
def test_whose_encounter_it_is_decides_between_wards_that_share_a_code(
    wards: WardRegister, provider: str, around: list[Json], ward: str
) -> None:
    stay = STAY | {"serviceProvider": {"reference": f"Organization/{provider}"}}
    found = read(wards, stay, *around, profile='claims = ["mark"]')
    assert mark(found) == ward


@pytest.mark.parametrize(
    ("profile", "around", "ward"),
    [
        ("place.facility_from = []", [place("w", "N1", part="VGR")], "NORR-52"),
        ("place.facility_from = []", [place("w", "52", part="SODER")], "ward-ambiguous"),
        ('place.facility_from = ["managingOrganization"]',
         [place("w", "52", part="NORR", by="SODER")], "SODER-52"),
        ('place.facility_from = ["partOf"]', [place("w", "52", part="NORR", by="SODER")], "NORR-52"),
        ('place.default_facility = "SODER"', [place("w", "52")], "SODER-52"),
        ('place.default_facility = "SODER"', [place("w", "52", part="NORR")], "NORR-52"),
        ('place.default_facility = "SODER"', [place("w", "N1")], "ward-elsewhere"),
        ('place = { facility_from = [], default_facility = "SODER" }',
         [place("w", "52", part="NORR")], "SODER-52"),
    ],
)  # fmt: skip
def test_a_profile_says_what_tells_the_facility(
    wards: WardRegister, profile: str, around: list[Json], ward: str
) -> None:
    assert mark(read(wards, STAY, *around, profile=profile)) == ward


@pytest.mark.parametrize(
    ("around", "ward"),
    [
        ([unit("o", "52", "p"), unit("p", "SODER")], "SODER-52"),
        ([unit("o", "52", "SODER")], "SODER-52"),
        ([unit("o", "52")], "ward-ambiguous"),
        ([unit("o", "N1", "p"), unit("p", "SODER")], "ward-elsewhere"),
        ([unit("o", "K52")], "SODER-52"),
    ],
)
def test_a_responsible_ward_is_one_of_its_facility(
    wards: WardRegister, around: list[Json], ward: str
) -> None:
    found = read(wards, encounter(serviceProvider={"reference": "Organization/o"}), *around)
    assert (found.observations[0].claims.responsible_ward or found.reason) == ward


def test_another_manager_makes_another_observation() -> None:
    ward = place("w", "52", by="o")
    open_register = WardRegister(open_register=True)
    ids = {
        read(open_register, STAY, ward, unit("o", "x", part)).observations[0].id
        for part in ("NORR", "SODER")
    }
    assert len(ids) == 2
