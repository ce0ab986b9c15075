"""HL7 and FHIR of one source speak of the same patient and the same visit, by the same keys.

Which number is the patient's is one function's to say; here both feeds must show it the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest

from adapters.hl7v2.profile import Hl7Profile
from schemas.observation import Patient
from tests.fhir.lab import Json, encounter, outcome
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, observed

NUMBERS: Final = ("200001012384", "19810829M071", "4711", "8100", "0001012384")
ASSIGNERS: Final = ("1.2.752.129.2.1.3.1", "1.2.752.113.11.0.2.1.1.1", "1.2.3.4", "LAB", "")
SYSTEMS: Final = {"urn:lab": "LAB"}


class Shown(NamedTuple):
    """One number of a patient, as both feeds show it."""

    value: str
    assigner: str
    type: str

    @property
    def cx(self) -> str:
        hd = f"&{self.assigner}&ISO" if "." in self.assigner else self.assigner
        return f"{self.value}^^^{hd}^{self.type}"

    @property
    def cx_by_namespace(self) -> str:
        """As a sender writes it that fills the first component of the assigner only."""
        return f"{self.value}^^^{self.assigner}^{self.type}"

    @property
    def identifier(self) -> Json:
        system = f"urn:oid:{self.assigner}" if "." in self.assigner else "urn:lab"
        kind = {"type": {"coding": [{"code": self.type}]}} if self.type else {}
        return {"value": self.value} | ({"system": system} if self.assigner else {}) | kind


def _by_hl7(numbers: list[str], visit: str) -> tuple[Patient | str, str | None]:
    payload = message("A08", {19: visit}, pid="~".join(numbers))
    found = normaliser().normalise(payload, RECEIVED_AT)
    if not found.observations:
        return found.reason, None
    return found.observations[0].patient, found.observations[0].visit


def _by_fhir(shown: list[Shown], visit: str) -> tuple[Patient | str, str | None]:
    patient = {
        "resourceType": "Patient", "id": "p", "identifier": [each.identifier for each in shown],
    }  # fmt: skip
    document = encounter(
        contained=[patient],
        subject={"reference": "#p"},
        identifier=[{"type": {"coding": [{"code": "VN"}]}, "value": visit}],
    )
    found = outcome(document, assigners=SYSTEMS)
    if not found.observations:
        return found.reason, None
    return found.observations[0].patient, found.observations[0].visit


@pytest.mark.parametrize("assigner", ASSIGNERS)
@pytest.mark.parametrize("value", NUMBERS)
def test_the_same_number_is_the_same_patient_and_the_same_visit(value: str, assigner: str) -> None:
    shown = Shown(value, assigner, "MR")
    by_fhir = _by_fhir([shown], "90001")
    assert isinstance(by_fhir[0], Patient)
    assert _by_hl7([shown.cx], "90001") == by_fhir
    assert _by_hl7([shown.cx_by_namespace], "90001") == by_fhir


@pytest.mark.parametrize("kinds", [("MR", "PI"), ("PI", "MR"), ("MR", "MR"), ("", "")])
def test_types_choose_among_several_numbers_alike(kinds: tuple[str, str]) -> None:
    shown = [Shown("4711", "LAB", kinds[0]), Shown("8100", "LAB", kinds[1])]
    by_fhir = _by_fhir(shown, "A-7")
    assert isinstance(by_fhir[0], Patient) == (kinds[0] != kinds[1])
    assert _by_hl7([each.cx for each in shown], "A-7") == by_fhir


def test_a_national_number_is_the_same_patient_by_its_uri_and_by_its_oid() -> None:
    uri = "http://electronichealth.se/identifier/personnummer"
    subject = {"identifier": {"system": uri, "value": "20000101-2384"}}
    by_fhir = outcome(encounter(subject=subject)).observations[0].patient
    by_hl7, _ = _by_hl7([Shown("200001012384", "1.2.752.129.2.1.3.1", "NNSWE").cx], "V1")
    assert isinstance(by_hl7, Patient)
    assert by_fhir.key == by_hl7.key


TEN_DIGITS = "000101-2384"
BY_BOTH_NAMES = {
    "personnummer": ("1.2.752.129.2.1.3.1", "personnummer"),
    "samordningsnummer": ("1.2.752.129.2.1.3.3", "samordningsnummer"),
    "reserve number": ("1.2.752.74.9.1", "nationelltReservnummer"),
}


@pytest.mark.parametrize("value", [TEN_DIGITS, "0001012384", "LOCAL-7"])
@pytest.mark.parametrize("kind", BY_BOTH_NAMES)
def test_a_number_that_is_unique_with_its_assigner_only_is_the_same_by_both_names(
    kind: str, value: str
) -> None:
    oid, name = BY_BOTH_NAMES[kind]
    uri = f"http://electronichealth.se/identifier/{name}"
    subject = {"identifier": {"system": uri, "value": value}}
    by_fhir = outcome(encounter(subject=subject)).observations[0].patient
    by_hl7, _ = _by_hl7([Shown(value, oid, "NNSWE").cx], "V1")
    assert isinstance(by_hl7, Patient)
    assert by_fhir.key == by_hl7.key


def test_a_visits_number_and_its_assigner_are_the_same_visit_by_both() -> None:
    both = message("A08", {19: "90001^^^NORR&1.2.3&ISO^VN"})
    by_hl7 = Hl7Profile.model_validate({"assigners": {"1.2.3": "NORR"}})
    number = {"type": {"coding": [{"code": "VN"}]}, "value": "90001", "system": "urn:oid:1.2.3"}
    by_fhir = outcome(encounter(identifier=[number]), assigners={"urn:oid:1.2.3": "NORR"})
    seen = [observed(both, by_hl7), by_fhir.observations[0]]
    assert [each.visit for each in seen] == ["90001@NORR"] * 2
