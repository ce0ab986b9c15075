"""What places, organisations and people are called by: identifiers that are in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from schemas.ward import WardRegister
from tests.fhir.lab import Json, at, encounter, outcome
from wardbridge.config.wards import read_register

REGISTER: Final = """\
id;name;hospital;alias:ehr;facility:ehr
NORR-52;Medicin;Norr;52@NORR M1;
SODER-52;Medicin;Söder;52@SODER K1;
"""
NOT_IN_USE: Final[dict[str, Json]] = {
    "old": {"use": "old"},
    "over": {"period": {"end": "2026-01-14"}},
    "over to the minute": {"period": {"end": "2026-01-15T12:59:00+01:00"}},
    "to come": {"period": {"start": "2026-01-16"}},
}
IN_USE: Final[dict[str, Json]] = {
    "plain": {},
    "official": {"use": "official"},
    "for a while": {"use": "temp"},
    "until today": {"period": {"start": "2026-01-15", "end": "2026-01-15"}},
    "no time at all": {"period": {"start": "once", "end": "never"}},
}


@pytest.fixture
def wards(tmp_path: Path) -> WardRegister:
    (tmp_path / "wards.csv").write_text(REGISTER, encoding="utf-8")
    return read_register(tmp_path / "wards.csv")


def stay(*contained: Json, **elements: object) -> Json:
    return encounter(contained=list(contained), location=[at_ref("#w", "planned")], **elements)


def at_ref(reference: str, status: str, **more: object) -> Json:
    return at("", status, location={"reference": reference}, **more)


def place(number: str, *identifiers: Json, **more: object) -> Json:
    return {
        "resourceType": "Location",
        "id": number,
        "identifier": list(identifiers),
        **more,
    }


def marked(document: Json, wards: WardRegister) -> str:
    found = outcome(document, wards, claims=["mark"])
    (said,) = found.observations
    return said.claims.mark.ward if said.claims.mark is not None else found.reason


def of_ward(given: list[Json], wards: WardRegister) -> str:
    return marked(stay(place("w", *given)), wards)


def of_reference(given: list[Json], wards: WardRegister) -> str:
    # one reference has one identifier; the Location itself has the others
    *others, one = given
    reference = {"reference": "#w", "identifier": one}
    location = [at("", "planned", location=reference)]
    return marked(encounter(contained=[place("w", *others)], location=location), wards)


def of_provider(given: list[Json], wards: WardRegister) -> str:
    unit = {"resourceType": "Organization", "id": "o", "identifier": given}
    document = encounter(contained=[unit], serviceProvider={"reference": "#o"})
    found = outcome(document, wards, claims=["responsible_ward"])
    return found.observations[0].claims.responsible_ward or found.reason


@pytest.mark.parametrize("read", [of_ward, of_reference, of_provider])
@pytest.mark.parametrize("name", NOT_IN_USE)
def test_a_code_that_is_not_in_use_is_no_code(
    wards: WardRegister, name: str, read: Callable[[list[Json], WardRegister], str]
) -> None:
    former = {"value": "M1"} | NOT_IN_USE[name]
    assert read([former], wards) == "ward-unknown"
    assert read([former, {"value": "K1"}], wards) == "SODER-52"
    assert read([{"value": "K1"}, former], wards) == "SODER-52"
    assert read([{"value": "unheard"}, former], wards) == "ward-unknown"


@pytest.mark.parametrize("read", [of_ward, of_reference, of_provider])
@pytest.mark.parametrize("name", IN_USE)
def test_a_code_that_is_in_use_is_one(
    wards: WardRegister, name: str, read: Callable[[list[Json], WardRegister], str]
) -> None:
    assert read([{"value": "M1"} | IN_USE[name]], wards) == "NORR-52"


@pytest.mark.parametrize("name", NOT_IN_USE)
@pytest.mark.parametrize("by", ["partOf", "managingOrganization", "serviceProvider"])
def test_a_name_of_a_hospital_that_is_not_in_use_names_none(
    wards: WardRegister, name: str, by: str
) -> None:
    kind = "Location" if by == "partOf" else "Organization"
    former = {"value": "NORR"} | NOT_IN_USE[name]

    def read(*identifiers: Json) -> str:
        above = {"resourceType": kind, "id": "above", "identifier": list(identifiers)}
        upwards = {by: {"reference": "#above"}}
        if by == "serviceProvider":
            return marked(stay(place("w", {"value": "52"}), above, **upwards), wards)
        return marked(stay(place("w", {"value": "52"}, **upwards), above), wards)

    assert read(former) in {"ward-ambiguous", "ward-elsewhere"}
    assert read(former, {"value": "SODER"}) == "SODER-52"
    assert read({"value": "SODER"}, former) == "SODER-52"


@pytest.mark.parametrize("name", NOT_IN_USE)
@pytest.mark.parametrize(("kind", "part"), [("ro", "room"), ("bd", "bed")])
def test_a_room_or_bed_is_called_by_what_is_in_use(
    wards: WardRegister, name: str, kind: str, part: str
) -> None:
    former = {"value": "former"} | NOT_IN_USE[name]

    def read(*identifiers: Json, **more: object) -> str | None:
        sort = {"coding": [{"code": kind}]}
        upwards = {"reference": "#ward"}
        inner = place("w", *identifiers, physicalType=sort, partOf=upwards, **more)
        found = outcome(stay(inner, place("ward", {"value": "K1"})), wards, claims=["mark"])
        mark = found.observations[0].claims.mark
        assert mark is not None
        return mark.bed if part == "bed" else mark.room

    assert read(former, {"value": "now"}) == "now"
    assert read(former, name="called so") == "called so"
    assert read(former) is None


@pytest.mark.parametrize("name", NOT_IN_USE)
def test_a_doctor_is_known_by_the_number_in_use(name: str) -> None:
    former = {"value": "1"} | NOT_IN_USE[name]

    def read(reference: Json, *identifiers: Json) -> str | None:
        who = {"resourceType": "Practitioner", "id": "d", "identifier": list(identifiers)}
        entry = {"type": [{"coding": [{"code": "ADM"}]}], "individual": reference}
        found = outcome(encounter(contained=[who], participant=[entry]))
        return found.observations[0].claims.admitting_doctor

    assert read({"reference": "#d"}, former, {"value": "2"}) == "2"
    assert read({"reference": "#d"}, former) is None
    assert read({"identifier": former}) is None
    assert read({"reference": "#d", "identifier": former}, {"value": "2"}) == "2"
