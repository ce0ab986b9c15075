"""Conditional references: resolved by their identifier or refused, never read as an id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.common.outcome import InputOutcome
from adapters.fhir.references import IdentifierToken, logical_id, token_of
from schemas.observation import Observation
from schemas.ward import Ward, WardRegister
from tests.fhir.lab import RECEIVED_AT, Json, at, bundle, encounter, normaliser

SYSTEM = "https://norr.example/sid/ward"
PNR = "urn:oid:1.2.752.129.2.1.3.1"
WHO = f"{PNR}|200105012389"
WARDS = WardRegister(
    Ward(id=f"N-{code}", name=code, hospital="Norr", aliases={"ehr": (code,)})
    for code in ("AKM", "W22")
)


def where(reference: str, status: str = "planned") -> Json:
    return {"location": {"reference": reference}, "status": status}


def conditional(kind: str, code: str) -> str:
    return f"{kind}?identifier={SYSTEM}|{code}"


def stated(document: Json, **profile: Any) -> InputOutcome:
    return normaliser(WARDS, **profile).normalise(json.dumps(document).encode(), RECEIVED_AT)


def said(document: Json, **profile: Any) -> Observation:
    found = stated(document, **profile)
    assert not found.warnings, found
    (observation,) = found.observations
    return observation


def patient_number(found: Observation) -> tuple[str, str | None]:
    (identifier,) = found.patient.identifiers
    return identifier.value, identifier.assigner


TARGETS: list[Json] = [
    {"resourceType": "Patient", "identifier": [{"system": PNR, "value": "200105012389"}]},
    {"resourceType": "Location", "identifier": [{"system": SYSTEM, "value": "W22"}], "name": "W22"},
]


@pytest.mark.parametrize("targets", [[], TARGETS], ids=["alone", "with targets"])
def test_the_identifier_in_a_reference_is_who_and_where(targets: list[Json]) -> None:
    document = encounter(
        subject={"reference": f"Patient?identifier={WHO}"},
        location=[
            where(conditional("Location", "AKM"), "active"),
            where(conditional("Location", "W22")),
        ],
        serviceProvider={"reference": conditional("Organization", "AKM")},
        participant=[
            {
                "type": [{"coding": [{"code": "ADM"}]}],
                "individual": {"reference": "Practitioner?identifier=urn:x|D1"},
            }
        ],
    )
    found = said(bundle("transaction", *targets, document))
    claims = found.claims
    assert patient_number(found)[0] == "200105012389"
    assert (claims.place and claims.place.ward, claims.mark and claims.mark.ward) == (
        "N-AKM", "N-W22",
    )  # fmt: skip
    assert (claims.responsible_ward, claims.admitting_doctor) == ("N-AKM", "D1")


def test_what_a_reference_leads_to_says_more_than_its_identifier() -> None:
    bed: Json = {
        "resourceType": "Location",
        "identifier": [{"system": SYSTEM, "value": "B7"}],
        "physicalType": {"coding": [{"code": "bd"}]},
        "partOf": {"reference": conditional("Location", "W22")},
    }
    secret: Json = {
        "resourceType": "Patient",
        "meta": {"security": [{"code": "?"}]},
        "identifier": [{"system": PNR, "value": "200105012389"}, {"value": "local"}],
    }
    document = encounter(
        subject={"reference": f"Patient?identifier={WHO}"},
        location=[where(conditional("Location", "B7"))],
    )
    ward: Json = {"resourceType": "Location", "identifier": [{"system": SYSTEM, "value": "W22"}]}
    found = said(bundle("transaction", bed, secret, ward, document))
    assert found.claims.mark is not None
    assert (found.claims.mark.ward, found.claims.mark.bed) == ("N-W22", "B7")
    assert len(found.patient.identifiers) == 2
    assert found.claims.protection == "unknown"


@pytest.mark.parametrize(
    "condition",
    [
        "identifier=",
        "identifier=urn:x|",
        "identifier=urn:x|W22,urn:x|AKM",
        "identifier=urn:x|W22&identifier=urn:x|AKM",
        "name=W22",
        "_id=W22",
        "identifier:contains=W22",
        "",
    ],
)
def test_any_other_condition_is_refused_and_never_read_as_an_id(condition: str) -> None:
    by_id: dict[str, Any] = {"place": {"code_from": ["id", "identifier"]}}
    document = encounter(location=[at("AKM"), where(f"Location?{condition}")])
    found = stated(document, **by_id)
    claims = found.observations[0].claims
    assert [each.reason for each in found.warnings] == ["reference-unresolved"]
    assert (claims.place and claims.place.ward, claims.says("mark")) == ("N-AKM", False)
    whom = encounter(subject={"reference": f"Patient?{condition}"})
    for profile in ({}, {"patient": {"by": "id"}}):
        assert stated(whom, **profile).verdict == "review"


@pytest.mark.parametrize(
    ("kind", "reference"),
    [("place", f"Organization?identifier={SYSTEM}|W22"), ("place", f"?identifier={SYSTEM}|W22")],
)
def test_a_condition_on_another_resource_names_no_place(kind: str, reference: str) -> None:
    del kind
    found = stated(encounter(location=[where(reference)]))
    assert [each.reason for each in found.warnings] == ["reference-unresolved"]
    whom = stated(encounter(subject={"reference": f"Group?identifier={WHO}"}))
    assert (whom.verdict, whom.reason) == ("review", "reference-unresolved")


def test_the_order_of_a_bundle_decides_nothing() -> None:
    document = encounter(location=[where(conditional("Location", "W22"))])
    numbers = {said(bundle("transaction", *each)).id for each in (
        (TARGETS[1], document), (document, TARGETS[1]),
    )}  # fmt: skip
    assert len(numbers) == 1


@pytest.mark.parametrize(
    ("reference", "token"),
    [
        ("Patient?identifier=urn:oid:1.2|77", IdentifierToken("Patient", "urn:oid:1.2", "77")),
        ("Patient?identifier=77", IdentifierToken("Patient", None, "77")),
        ("Patient?identifier=|77", IdentifierToken("Patient", "", "77")),
        (
            "Patient?identifier=urn%3Aoid%3A1.2%7C77",
            IdentifierToken("Patient", "urn:oid:1.2", "77"),
        ),
        ("https://x.example/fhir/Patient?identifier=a|7", IdentifierToken("Patient", "a", "7")),
        ("Patient?identifier=a|7&_format=json", IdentifierToken("Patient", "a", "7")),
        ("Patient/7", None),
        ("#p?identifier=a|7", None),
        ("urn:uuid:x?identifier=a|7", None),
    ],
)
def test_a_conditional_reference_names_one_identifier(
    reference: str, token: IdentifierToken | None
) -> None:
    assert token_of(reference) == token


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("Location/52", "52"),
        ("https://x.example/fhir/Location/52", "52"),
        ("Location/52/_history/3", "52"),
        ("Location/AVD_52", "AVD_52"),
        ("Location?identifier=https://x/sid|52", ""),
        ("Location?identifier=52", ""),
        ("Location/52?x=y", ""),
        ("Location/$find", ""),
        ("Location/52|1", ""),
        ("location/52", ""),
        ("52", ""),
        ("/52", ""),
        ("#52", ""),
        ("urn:oid:1.2.3/52", ""),
        ("", ""),
    ],
)
def test_a_logical_id_stands_behind_a_type(reference: str, number: str) -> None:
    assert logical_id(reference) == number
