"""Where the values of an Encounter come from: the element that was read, and the rule."""

from __future__ import annotations

import json

import pytest

from adapters.common.origin import ValueOrigin
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import CONFIDENTIALITY, FhirProfile
from tests.fhir.golden import STORIES, outcome_of
from tests.fhir.lab import FEED, KEYER, OPEN, RECEIVED_AT, Json, at, encounter
from tests.support.golden import names_of

PROTECTED = {"versionId": "1", "lastUpdated": "2026-01-15T11:15:00+01:00",
             "security": [{"system": CONFIDENTIALITY, "code": "V"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("document", "profile", "value", "origin"),
    [
        (encounter(location=[at("A"), at("B", "planned")]), {}, "claims.mark",
         ("Encounter.location[1]", "status planned")),
        (encounter(location=[at("A", "reserved")]), {"reserved_marks": True}, "claims.mark",
         ("Encounter.location[0]", "status planned or reserved")),
        (encounter(), {}, "claims.mark", ("Encounter.location", "status planned")),
        (encounter(location=[at("A")]), {}, "claims.place",
         ("Encounter.location[0]", "status active")),
        (encounter(location=[at("A", None)]), {}, "claims.place",
         ("Encounter.location[0]", "no status, and a period that lasts")),
        (encounter(meta=PROTECTED), {}, "claims.protection",
         ("Encounter.meta.security[0]", "profile.protection, the strictest")),
        (encounter(serviceProvider={"reference": "Organization/A"}), {},
         "claims.responsible_ward", ("Encounter.serviceProvider", "profile.place.code_from")),
        (encounter(), {}, "claims.responsible_ward",
         ("Encounter.serviceProvider", "nothing is said: a state clears")),
        (encounter(), {}, "visit", ("Encounter.identifier", "profile.visit")),
        (encounter(subject={"reference": "Patient/7"}), {"patient": {"by": "id"}}, "patient",
         ("Encounter.subject.reference", "profile.patient.by")),
        (encounter(meta=None), {"unversioned": "receipt"}, "stamp.sequence",
         ("Encounter", "its place among what came together")),
    ],
)  # fmt: skip
def test_a_value_says_its_element_and_its_rule(
    document: Json, profile: Json, value: str, origin: tuple[str, str]
) -> None:
    settings = FhirProfile.model_validate(profile)
    reader = FhirNormaliser(FEED, settings, OPEN, KEYER, explain=True)
    outcome = reader.normalise(json.dumps(document).encode(), RECEIVED_AT)
    assert outcome.origins[0][value] == ValueOrigin(*origin)


def test_every_setting_that_a_rule_names_exists() -> None:
    explained = [outcome_of(path, explain=True) for path in STORIES.inputs()]
    assert names_of(explained, FhirProfile) >= {"visit", "place", "protection"}
