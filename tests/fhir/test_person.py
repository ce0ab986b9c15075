"""Who a Patient says that somebody is, where the Patient is at hand; and only where it is to be kept."""

from __future__ import annotations

import json

import pytest

from adapters.common.outcome import InputOutcome
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from schemas.patient import PatientRow
from tests.fhir.lab import FEED, KEYER, OPEN, RECEIVED_AT, Json, bundle, encounter

NOBODY = {"family": None, "given": None, "born": None, "sex": None}
NUMBER = [{"system": "urn:oid:1.2.3", "value": "4711"}]
DESCRIBING = FhirNormaliser(FEED, FhirProfile(), OPEN, KEYER, describe=True)


def of(**patient: object) -> Json:
    contained = {"resourceType": "Patient", "id": "p", "identifier": NUMBER, **patient}
    return encounter(subject={"reference": "#p"}, contained=[contained])


def read(document: Json, reader: FhirNormaliser = DESCRIBING) -> InputOutcome:
    return reader.normalise(json.dumps(document).encode(), RECEIVED_AT)


def row(document: Json) -> PatientRow:
    (found,) = read(document).patients
    return found


@pytest.mark.parametrize(
    ("patient", "person"),
    [
        ({}, {}),
        ({"name": [{"family": "Ek", "given": ["Anna", "Maria"]}], "birthDate": "1950-01-02", "gender": "female"},
         {"family": "Ek", "given": "Anna Maria", "born": "1950-01-02", "sex": "female"}),
        ({"birthDate": "1950"}, {"born": "1950"}),
        ({"birthDate": "1950-01"}, {"born": "1950-01"}),
        ({"name": [{"use": "maiden", "family": "Alm"}, {"use": "usual", "family": "Ask"},
                   {"use": "official", "family": "Ek"}]}, {"family": "Ek"}),
        ({"name": [{"use": "old", "family": "Alm"}, {"family": "Ek"}]}, {"family": "Ek"}),
        ({"name": [{"use": "old", "family": "Alm"}]}, {}),
        ({"name": [{"text": "Anna Ek"}]}, {"family": "Anna Ek"}),
    ],
)  # fmt: skip
def test_a_person_is_as_the_patient_says_and_has_nothing_else(
    patient: Json, person: dict[str, str]
) -> None:
    assert not read(of(**patient)).warnings
    assert row(of(**patient)).person.model_dump(exclude_unset=True) == NOBODY | person


@pytest.mark.parametrize(
    ("patient", "where", "absent"),
    [
        ({"birthDate": "1950-02-31"}, "birthDate", {"born"}),
        ({"birthDate": "1950-01-02T03:04:05Z"}, "birthDate", {"born"}),
        ({"birthDate": 1950}, "birthDate", {"born"}),
        ({"gender": "X"}, "gender", {"sex"}),
        ({"name": [{"family": "S" * 201}]}, "family", {"family", "given"}),
        ({"name": [{"given": ["S" * 150, "T" * 150]}]}, "given", {"family", "given"}),
        ({"name": [{"given": "Anna"}]}, "given", {"family", "given"}),
    ],
)
def test_what_cannot_be_read_is_absent_and_told_by_its_place(
    patient: Json, where: str, absent: set[str]
) -> None:
    outcome = read(of(**patient))
    (warning,) = outcome.warnings
    assert (warning.where or "").endswith(f".{where}")
    (found,) = outcome.patients
    assert found.person.model_fields_set == NOBODY.keys() - absent


def test_without_the_patient_it_is_a_number_only() -> None:
    found = row(encounter(subject={"identifier": NUMBER[0]}))
    assert (found.number.value, found.person.model_fields_set) == ("4711", set())


def test_each_statement_of_a_bundle_describes_its_own() -> None:
    two = [of(name=[{"family": name}]) | {"id": name} for name in ("Ek", "Alm")]
    outcome = read(bundle("history", *two))
    assert [each.person.family for each in outcome.patients] == ["Ek", "Alm"]


def test_nothing_is_described_unless_asked() -> None:
    plain = FhirNormaliser(FEED, FhirProfile(), OPEN, KEYER)
    document = of(name=[{"family": "Ek"}])
    assert read(document, plain).patients == ()
    assert read(document, plain).observations == read(document).observations
    assert "Ek" not in str(read(document).observations)
