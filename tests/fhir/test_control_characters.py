"""No control character leaves this adapter, wherever it stands in an input: one rule with HL7 and exports."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapters.common.feed import Input, records_of
from adapters.common.keys import raw_pointer
from adapters.common.outcome import InputOutcome
from adapters.common.review import FeedReview
from adapters.common.text import cleaned
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from schemas import topics
from tests.fhir.lab import FEED, KEYER, OPEN, RECEIVED_AT, Json, at, bundle, encounter, outcome
from tests.fhir.test_totality import _everything, _places

SIGNS = [
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\x9f",
    "\u2028",
    "\u202e",
    "\ud800",
    "\u200b",
    "\ufffd",
    "\n",
    "\t",
]
LET_OUT_NOWHERE = ["\x00", "\x1b", "\x7f", "\x9f", "\u2028", "\u202e", "\ud800", "\n", "\t"]


def described(payload: bytes, edition: str = "R4") -> InputOutcome:
    profile = FhirProfile.model_validate(
        {"edition": edition, "place": {"code_from": ["identifier", "id", "name", "display"]}}
    )
    return FhirNormaliser(FEED, profile, OPEN, KEYER, describe=True).normalise(payload, RECEIVED_AT)


def records(payload: bytes, found: InputOutcome) -> str:
    """Everything that goes to the log but the bytes as they came."""
    taken = Input(raw_pointer(payload, RECEIVED_AT, FEED.name), RECEIVED_AT)
    review = FeedReview(FEED).findings(taken, found, lambda: "x")
    made = records_of(FEED, taken, b"", found, review.records)
    assert {each.topic for each in made} <= {
        topics.RAW,
        topics.OBSERVATIONS,
        topics.PATIENTS,
        topics.REVIEW,
    }
    parts = [f"{each.key}{each.headers}" for each in made]
    return "".join(parts) + "".join(_texts([json.loads(each.value) for each in made if each.value]))


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = (
        [*node, *node.values()]
        if isinstance(node, dict)
        else node
        if isinstance(node, list)
        else ()
    )
    return [text for each in inner for text in _texts(each)]


@settings(max_examples=400)
@given(st.data(), st.sampled_from(SIGNS), st.booleans())
def test_no_control_character_leaves_in_any_value(
    data: st.DataObject,
    sign: str,
    in_name: bool,  # noqa: FBT001 - drawn
) -> None:
    document = copy.deepcopy(_everything())
    document["entry"][1]["resource"]["physicalType"] = {
        "coding": [{"code": data.draw(st.sampled_from(["wa", "bd"]))}]
    }
    place = data.draw(st.sampled_from(_places(document)))
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    if in_name and isinstance(inner, dict):
        inner[f"x{sign}y"] = "z"
    elif isinstance(inner[place[-1]], str):
        cut = data.draw(st.integers(0, len(inner[place[-1]])))
        inner[place[-1]] = inner[place[-1]][:cut] + sign + inner[place[-1]][cut:]
    payload = json.dumps(document).encode()
    found = described(payload)
    event(f"{found.verdict.value} {found.reason}")
    assert found.reason != "internal-error"
    out = records(payload, found)
    assert not [each for each in LET_OUT_NOWHERE if each in out]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (
            {"identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": "V{}1"}]},
            "text-unreadable",
        ),
        ({"subject": {"identifier": {"value": "47{}11"}}}, "text-unreadable"),
        ({"status": "in-{}progress"}, "text-unreadable"),
    ],
    ids=["visit", "patient", "status"],
)
def test_a_sign_that_cannot_be_seen_makes_an_identifier_unreadable(
    sign: str, element: Json, reason: str
) -> None:
    text = json.dumps(encounter() | element).replace("{}", json.dumps(sign)[1:-1])
    found = outcome(text.encode())
    assert (found.verdict.value, found.reason) == ("review", reason)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_ward_with_a_sign_that_cannot_be_seen_is_no_ward(sign: str) -> None:
    found = outcome(encounter(location=[at(f"A{sign}B", "planned")]))
    assert not found.observations[0].claims.says("mark")
    assert [each.reason for each in found.warnings] == ["text-unreadable"]
    assert found.warnings[0].mark_unread


@pytest.mark.parametrize("sign", LET_OUT_NOWHERE)
def test_the_name_of_a_bed_is_used_without_it_and_told(sign: str) -> None:
    bed = {
        "resourceType": "Location", "id": "b", "name": f"1{sign}2", "partOf": {"reference": "Location/w"},
        "physicalType": {"coding": [{"code": "bd"}]},
    }  # fmt: skip
    ward = {"resourceType": "Location", "id": "w", "identifier": [{"value": "W"}]}
    found = outcome(bundle("collection", encounter(location=[at("b")]), bed, ward))
    place = found.observations[0].claims.place
    assert place is not None
    assert place.bed == cleaned(f"1{sign}2")
    assert [(each.reason, each.where) for each in found.warnings] == [
        ("text-cleaned", "Bundle.entry[1].resource.name")
    ]


@pytest.mark.parametrize("reference", ["&#x9f;", "&#x85;", "&#x2028;", "&#x202e;"])
def test_xml_writes_the_same_signs_otherwise(reference: str) -> None:
    text = (
        '<Encounter xmlns="http://hl7.org/fhir"><meta><lastUpdated value="2026-01-15T10:00:00Z"/></meta>'
        '<identifier><type><coding><code value="VN"/></coding></type><value value="V1"/></identifier>'
        '<status value="in-progress"/><class><code value="IMP"/></class>'
        f'<subject><identifier><value value="47{reference}11"/></identifier></subject></Encounter>'
    )
    assert outcome(text.encode()).reason == "text-unreadable"
