"""Whose an Encounter is and which visit: by identifiers in use, with who gave them."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.identifiers import IdentifierKind
from schemas.observation import Observation, PatientIdentifier
from tests.fhir.lab import FEED, KEYER, Json, doubts, encounter, observed, reason

LAB: Final = "urn:oid:1.2.3.4"
MR: Final[Json] = {"coding": [{"code": "MR"}]}
VN: Final[Json] = {"coding": [{"code": "VN"}]}
PERSON: Final[Json] = {
    "system": "http://electronichealth.se/identifier/personnummer",
    "value": "200001012384",
}


def key(value: str, assigner: str | None = "1.2.3.4") -> str:
    local = PatientIdentifier(kind=IdentifierKind.LOCAL, value=value, assigner=assigner)
    return KEYER.of(FEED.source).key(local)


def local(value: str, **more: object) -> Json:
    return {"system": LAB, "value": value, "type": MR} | more


def of_patient(*identifiers: Json) -> Json:
    patient = {"resourceType": "Patient", "id": "p", "identifier": list(identifiers)}
    return encounter(contained=[patient], subject={"reference": "#p"})


def of_visit(*identifiers: Json, **profile: object) -> Observation:
    numbered = [{"type": VN} | each for each in identifiers]
    return observed(encounter(identifier=numbered), **profile)


NOT_IN_USE: Final[dict[str, Json]] = {
    "old": {"use": "old"},
    "over": {"period": {"end": "2026-01-14"}},
    "over to the minute": {"period": {"end": "2026-01-15T12:59:00+01:00"}},
    "over by the year": {"period": {"start": "2020", "end": "2025"}},
    "to come": {"period": {"start": "2026-01-16"}},
    "for a while": {"use": "temp"},
    "beside": {"use": "secondary"},
}
IN_USE: Final[dict[str, Json]] = {
    "usual": {"use": "usual"},
    "until today": {"period": {"start": "2026-01-15", "end": "2026-01-15"}},
    "open": {"period": {"start": "2020-01-01"}},
    "no time at all": {"period": {"start": "once", "end": "never"}},
}


@pytest.mark.parametrize("name", NOT_IN_USE)
def test_a_number_that_is_not_in_use_links_and_is_the_key_only_where_there_is_no_other(
    name: str,
) -> None:
    other = local("4712", **NOT_IN_USE[name])
    patient = observed(of_patient(other, local("4711"))).patient
    assert (patient.key, patient.other_keys) == (key("4711"), (key("4712"),))
    assert observed(of_patient(other)).patient.key == key("4712")


@pytest.mark.parametrize("name", IN_USE)
def test_two_numbers_in_use_are_not_told_apart_by_a_guess(name: str) -> None:
    assert (
        reason(of_patient(local("4711"), local("4712", **IN_USE[name])))[1] == "patient-ambiguous"
    )


def test_a_national_number_is_the_key_also_where_it_is_called_secondary_but_not_where_it_is_old() -> (
    None
):
    patient = observed(of_patient(local("4711"), PERSON | {"use": "secondary"})).patient
    assert patient.other_keys == (key("4711"),)
    patient = observed(of_patient(local("4711"), PERSON | {"use": "old"})).patient
    assert patient.key == key("4711")


def test_an_identifier_without_system_is_the_sources_own() -> None:
    patient = observed(of_patient({"value": "4711"})).patient
    assert (patient.key, patient.identifiers[0].assigner) == (key("4711", None), None)
    by_id = observed(of_patient({"value": "4711"}), patient={"by": "id"}).patient
    assert by_id.key == key("p", "source:ehr/Patient.id")


def test_what_a_spreadsheet_made_of_a_number_is_none() -> None:
    assert reason(of_patient({"value": "2.00001E+11"}))[1] == "patient-unreadable"
    found = doubts(of_patient(local("2.00001E+11"), local("4711")))
    assert [why for why, _ in found] == ["identifier-unreadable"]


def test_a_visits_number_carries_its_assigner() -> None:
    assert of_visit({"value": "1001"}).visit == "1001"
    assert of_visit({"value": "1001", "system": LAB}).visit == "1001@1.2.3.4"
    assert of_visit({"value": "1@1", "system": "urn:x@y"}).visit == "1%401@urn:x%40y"
    assert of_visit({"value": "1001", "system": LAB}, assigners={LAB: "NORR"}).visit == "1001@NORR"
    plain = {"1.2.3.4": "NORR"}
    assert of_visit({"value": "1001", "system": LAB}, assigners=plain).visit == "1001@NORR"


def test_the_profile_says_whose_numbers_without_a_system_are() -> None:
    said = of_visit({"value": "1001"}, visit={"assigner": "NORR"})
    assert (said.visit, said.id) == ("1001@NORR", of_visit({"value": "1001"}).id)
    assert of_visit({"value": "1", "system": LAB}, visit={"assigner": "N"}).visit == "1@1.2.3.4"


def test_a_visits_number_in_use_goes_before_an_old_one() -> None:
    assert of_visit({"value": "1", "use": "old"}, {"value": "2"}).visit == "2"
    assert of_visit({"value": "1", "use": "old"}).visit == "1"


def test_a_version_corrects_whose_a_visit_is_where_the_profile_says_so() -> None:
    assert observed(encounter(), corrects_patient=True).corrects_patient
    assert not observed(encounter()).corrects_patient
