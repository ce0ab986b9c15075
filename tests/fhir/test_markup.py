"""FHIR XML says the same as the JSON of the same resource, and its attacks are refused."""

from __future__ import annotations

import pytest

from adapters.fhir.document import read
from tests.fhir.lab import (
    FEED,
    RECEIVED_AT,
    Json,
    encounter,
    encounter_r5,
    normaliser,
    observed,
    reason,
)

ENCOUNTER = """<?xml version="1.0" encoding="UTF-8"?>
<!-- of visit V1 -->
<Encounter xmlns="http://hl7.org/fhir">
  <id value="e1"/>
  <meta><versionId value="1"/><lastUpdated value="2026-01-15T11:15:01+01:00"/></meta>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b</p></div></text>
  <contained><Patient><id value="p"/><identifier><value value="4711"/></identifier></Patient></contained>
  <extension url="http://example.org/held"><valueBoolean value="true"/></extension>
  <identifier><type><coding><code value="VN"/></coding></type><value value="V1"/></identifier>
  <status value="in-progress"/>
  <class><code value="IMP"/></class>
  <subject><reference value="#p"/></subject>
  <location>
    <location><reference value="Location/N51"/></location><status value="planned"/>
  </location>
</Encounter>"""
AS_JSON: Json = encounter(
    text={
        "status": "generated",
        "div": '<html:div xmlns:html="http://www.w3.org/1999/xhtml"><html:p>a &amp; b</html:p></html:div>',
    },
    contained=[{"resourceType": "Patient", "id": "p", "identifier": [{"value": "4711"}]}],
    extension=[{"url": "http://example.org/held", "valueBoolean": True}],
    subject={"reference": "#p"},
    location=[{"location": {"reference": "Location/N51"}, "status": "planned"}],
)


def test_xml_becomes_the_json_that_says_the_same() -> None:
    assert read(ENCOUNTER.encode()) == AS_JSON


def test_an_encounter_is_the_same_observation_by_either_form() -> None:
    said = observed(ENCOUNTER.encode())
    assert said == observed(AS_JSON | {"text": {"status": "generated", "div": "<div>a & b</div>"}})
    assert said.feed == FEED.name


def test_each_edition_has_its_own_arrays() -> None:
    r5 = ENCOUNTER.replace(
        '<class><code value="IMP"/></class>',
        '<class><coding><code value="IMP"/></coding></class>',
    )
    assert read(r5.encode(), "R5")["class"] == encounter_r5()["class"]
    assert observed(r5.encode(), edition="R5").claims.visit_class == "I"


def test_a_bundle_holds_resources() -> None:
    body = ENCOUNTER.partition("-->")[2]
    text = f"""<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/>
      <entry><fullUrl value="urn:uuid:1"/><resource>{body}</resource></entry></Bundle>"""
    found = read(text.encode())
    assert found["entry"] == [{"fullUrl": "urn:uuid:1", "resource": AS_JSON}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><Encounter xmlns="http://hl7.org/fhir"/>', "not-json"),
        ('<?xml version="1.0" encoding="latin-1"?><Encounter/>', "charset-unreadable"),
        ("<Encounter", "not-json"),
        ("<Encounter/>", "not-a-resource"),
        ('<Encounter xmlns="http://hl7.org/fhir"><x xmlns="urn:other"/></Encounter>', "not-a-resource"),
        ('<Encounter xmlns="http://hl7.org/fhir"/>', "status-missing"),
        ("<a xmlns='http://hl7.org/fhir'>" * 200 + "</a>" * 200, "nested-too-deep"),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_fhir_xml_is_refused(text: str, why: str) -> None:
    assert reason(text.encode())[:2] == ("review", why)


def test_broken_utf8_in_xml_is_refused() -> None:
    outcome = normaliser().normalise(ENCOUNTER.encode().replace(b"V1", b"\xff"), RECEIVED_AT)
    assert outcome.reason == "charset-unreadable"
