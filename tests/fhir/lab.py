"""What the tests of this adapter share: a lab feed, and builders of small resources."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import InputOutcome
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from schemas.observation import Claims, Observation
from schemas.ward import WardRegister

FEED: Final = FeedIdentity("fhir", "ehr", "region")
RECEIVED_AT: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
KEYER: Final = PatientKeyer(b"the tests' own secret")
OPEN: Final = WardRegister(open_register=True)

Json = dict[str, Any]


def normaliser(wards: WardRegister = OPEN, /, **profile: object) -> FhirNormaliser:
    return FhirNormaliser(FEED, FhirProfile.model_validate(profile), wards, KEYER)


def encounter(version: int = 1, /, **elements: object) -> Json:
    """An R4 Encounter of visit V1 at a quarter past eleven; a keyword sets or (None) drops."""
    found: Json = {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": {"versionId": str(version), "lastUpdated": f"2026-01-15T11:15:{version:02}+01:00"},
        "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": "V1"}],
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": {"identifier": {"system": "urn:oid:1.2.3.4", "value": "4711"}},
    }
    found |= elements
    return {name: value for name, value in found.items() if value is not None}


def encounter_r5(version: int = 1, /, **elements: object) -> Json:
    """The same in R5."""
    r5: Json = {"class": [{"coding": [{"code": "IMP"}]}]}
    return encounter(version, **(r5 | elements))


def at(ward: str, status: str | None = "active", **more: object) -> Json:
    """One ``Encounter.location``."""
    found: Json = {"location": {"reference": f"Location/{ward}"}, "status": status}
    return {name: value for name, value in (found | more).items() if value is not None}


def bundle(kind: str, *resources: Json, **elements: object) -> Json:
    entries = [{"fullUrl": f"urn:uuid:{n}", "resource": each} for n, each in enumerate(resources)]
    return {"resourceType": "Bundle", "type": kind, "entry": entries} | elements


def outcome(document: object, wards: WardRegister = OPEN, /, **profile: object) -> InputOutcome:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return normaliser(wards, **profile).normalise(payload, RECEIVED_AT)


def observed(document: object, **profile: object) -> Observation:
    found = outcome(document, **profile)
    assert not found.warnings, found
    (observation,) = found.observations
    return observation


def claimed(document: object, **profile: object) -> Claims:
    return observed(document, **profile).claims


def reason(document: object, **profile: object) -> tuple[str, str, str | None]:
    found = outcome(document, **profile)
    return found.verdict.value, found.reason, found.where


def doubts(document: object, **profile: object) -> list[tuple[str, str | None]]:
    found = outcome(document, **profile)
    assert found.observations, found
    return [(trouble.reason, trouble.where) for trouble in found.warnings]
