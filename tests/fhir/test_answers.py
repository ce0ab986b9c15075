"""What a sender is given back: what it prefers, and no address that leads nowhere."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from schemas import topics
from tests.fhir.lab import Json, at, bundle, encounter
from tests.fhir.test_markup import ENCOUNTER as XML
from tests.fhir.test_surface import Endpoint, told

GOOD: Json = encounter(location=[at("A"), at("B", "planned")])
DOUBTFUL: Json = encounter(location=[at("A", "maybe")])
WITHOUT_ID = encounter(id=None)
AS_CASE_53: Json = encounter(id="vv1", meta=None, status="planned", location=[
    {"status": "planned", "location": {"identifier": {"value": "KIR2"}}}
])  # fmt: skip


def send(
    method: str, path: str, body: object, prefer: str | None = None, **how: Any
) -> httpx.Response:
    endpoint = Endpoint(profile={"unversioned": "receipt"})
    headers = {"Prefer": prefer or "", "Accept": how.get("accept", "application/fhir+json")}
    if isinstance(body, bytes) and body.startswith(b"<"):
        headers["Content-Type"] = "application/fhir+xml"
    return endpoint.send(method, path, body, headers)


@pytest.mark.parametrize(
    "prefer", [None, "return=representation", "return=minimal", "return=OperationOutcome"]
)
@pytest.mark.parametrize("path", ["/fhir/Encounter/vv1", "/fhir/Encounter?identifier=V1"])
def test_an_update_leads_nowhere_and_claims_no_version(path: str, prefer: str | None) -> None:
    response = send("PUT", path, AS_CASE_53, prefer)
    assert response.status_code == 200
    assert not {"location", "content-location", "etag", "last-modified"} & response.headers.keys()


@pytest.mark.parametrize("prefer", [None, "return=representation", 'return="representation"; x=y',
                                    "handling=strict, Return=Representation", "return=whatever"])  # fmt: skip
def test_the_resource_comes_back_as_it_was_sent(prefer: str | None) -> None:
    text = json.dumps(GOOD, indent=3).encode()
    response = send("PUT", "/fhir/Encounter/e1", text, prefer)
    assert response.content == text
    assert response.headers["content-type"] == "application/fhir+json"


def test_nothing_comes_back_where_nothing_is_wanted() -> None:
    for method, path, status in (
        ("PUT", "/fhir/Encounter/e1", 200),
        ("POST", "/fhir/Encounter", 201),
    ):
        response = send(method, path, GOOD, "return=minimal")
        assert (response.status_code, response.content) == (status, b"")


def test_an_outcome_comes_back_where_it_is_wanted() -> None:
    response = send("PUT", "/fhir/Encounter/e1", DOUBTFUL, "return=OperationOutcome")
    assert [each[1] for each in told(response)] == ["location-status-unknown"]


@pytest.mark.parametrize("prefer", ["return=representation", "return=minimal"])
def test_a_refusal_is_an_outcome_whatever_is_wanted(prefer: str) -> None:
    response = send("PUT", "/fhir/Encounter/e1", encounter(status="here"), prefer)
    assert (response.status_code, told(response)[0][1]) == (422, "status-unknown")


@pytest.mark.parametrize(
    ("document", "number"), [(GOOD, "e1"), (WITHOUT_ID, None), (GOOD | {"id": "a b"}, None)]
)
def test_what_was_created_has_an_id_and_keeps_it(document: Json, number: str | None) -> None:
    endpoint = Endpoint()
    first = endpoint.send("POST", "/fhir/Encounter", document, {"Prefer": ""})
    again = Endpoint().send("POST", "/fhir/Encounter", document, {"Prefer": ""})  # after a restart
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.headers["location"] == again.headers["location"]
    base, _, said = first.headers["location"].rpartition("/")
    assert base == "http://ward.test/fhir/Encounter"
    assert number in {None, said}
    assert first.json() == {**document, "id": said}
    read = endpoint.send("GET", first.headers["location"])
    assert (read.status_code, told(read)[0][1]) == (405, "no-such-interaction")


def test_xml_comes_back_as_xml_unless_json_is_wanted() -> None:
    payload = XML.encode()
    for accept, kind in (
        ("application/fhir+xml, application/fhir+json", "xml"),
        ("*/*", "xml"),
        ("application/json", "json"),
    ):
        response = send("POST", "/fhir/Encounter", payload, accept=accept)
        assert response.headers["content-type"] == f"application/fhir+{kind}"
        assert (response.content == payload) == (kind == "xml")
    assert response.json()["resourceType"] == "Encounter"


@pytest.mark.parametrize("value", ['"\\ud800"', "1e999", "9" * 5_000, '"\\u0000"'])
def test_a_value_that_cannot_be_written_is_no_fault(value: str) -> None:
    text = f'{json.dumps(WITHOUT_ID)[:-1]},"language":{value}}}'.encode()
    created = send("POST", "/fhir/Encounter", text)
    assert (created.status_code, created.json()["resourceType"]) == (201, "Encounter")
    whole = b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":' + text + b"}]}"
    taken = send("POST", "/fhir", whole, "return=representation")
    assert taken.status_code == 200
    assert taken.json()["entry"][0]["resource"]["status"] == "in-progress"


UUID = "00000000-0000-0000-0000-000000000007"
ENTRIES: list[Json] = [
    {"fullUrl": f"urn:uuid:{UUID}", "resource": WITHOUT_ID, "request": {"method": "POST", "url": "Encounter"}},
    {"resource": encounter(2), "request": {"method": "PUT", "url": "Encounter/e1"}},
    {"resource": encounter(3), "request": {"method": "PUT", "url": "Encounter?identifier=V1"}},
    {"resource": encounter(4, id=None), "request": {"method": "POST", "url": "Encounter"}},
    {"fullUrl": "urn:uuid:x y", "resource": {"resourceType": "Patient", "id": "p1"},
     "request": {"method": "PUT", "url": "Patient?identifier=a|b"}},
    {"resource": {"resourceType": "Location"}, "request": {"method": "PUT", "url": "Location/w"}},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_each_entry_of_an_answer_has_its_location(kind: str) -> None:
    endpoint = Endpoint()
    response = endpoint.send("POST", "/fhir", {**bundle(kind), "entry": ENTRIES}, {"Prefer": ""})
    found = [each["response"] for each in response.json()["entry"]]
    locations = [each["location"] for each in found]
    assert locations[:3] == [f"Encounter/{UUID}", "Encounter/e1", "Encounter/e1"]
    assert locations[4:] == ["Patient/p1", "Location/w"]
    assert len(set(locations)) == 5
    assert [each["status"][:3] for each in found] == ["201", "200", "200", "201", "200", "200"]
    assert not any("etag" in each for each in found)
    for each in locations:
        assert endpoint.send("GET", f"/fhir/{each}").status_code == 405
    again = Endpoint().send("POST", "/fhir", {**bundle(kind), "entry": ENTRIES}, {"Prefer": ""})
    assert [each["response"]["location"] for each in again.json()["entry"]] == locations


@pytest.mark.parametrize(
    ("prefer", "resources", "outcomes"),
    [
        (None, [True, True, False], [True, False, True]),
        ("return=representation", [True, True, False], [True, False, True]),
        ("return=OperationOutcome", [False] * 3, [True, False, True]),
        ("return=minimal", [False] * 3, [False] * 3),
    ],
)
def test_entries_are_answered_as_is_wanted(
    prefer: str | None, resources: list[bool], outcomes: list[bool]
) -> None:
    entries = [
        {"resource": DOUBTFUL, "request": {"method": "POST", "url": "Encounter"}},
        {"resource": WITHOUT_ID, "request": {"method": "POST", "url": "Encounter"}},
        {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}},
    ]
    response = send("POST", "/fhir", {**bundle("batch"), "entry": entries}, prefer)
    found = response.json()["entry"]
    assert ["resource" in each for each in found] == resources
    assert ["outcome" in each["response"] for each in found] == outcomes
    for each in found:
        if "resource" in each:
            assert each["response"]["location"] == f"Encounter/{each['resource']['id']}"


def test_an_entry_that_is_refused_leads_nowhere_and_says_why() -> None:
    entries: list[Any] = [
        {"resource": encounter(status="here"), "request": {"method": "POST", "url": "Encounter"}},
        {"request": {"method": "DELETE", "url": "Encounter/e1"}},
        [],
        {"resource": GOOD, "request": {"method": "PUT", "url": "Encounter/e1"}},
    ]
    response = send("POST", "/fhir", {**bundle("batch"), "entry": entries}, "return=minimal")
    found = [each["response"] for each in response.json()["entry"]]
    assert ["location" in each for each in found] == [False, False, False, True]
    assert ["outcome" in each for each in found] == [True, True, True, False]
    assert [each["status"][0] for each in found] == ["4", "4", "4", "2"]


def test_two_versions_in_one_moment_count_in_the_order_of_receipt() -> None:
    """Case 20, 3 and 4: the same time, and versions that do not count."""
    meta = {"lastUpdated": "2026-01-15T10:15:02.060Z"}
    first = encounter(meta=meta | {"versionId": "5b1c-b"}, location=[at("W20", "planned")])
    second = encounter(meta=meta | {"versionId": "1a9d-a"}, location=[at("W21", "planned")])
    for one, other in ((first, second), (second, first)):
        endpoint = Endpoint()
        for each in (one, other):
            endpoint.send("PUT", "/fhir/Encounter/e1", each)
        endpoint.send("POST", "/fhir", bundle("batch", one, other))
        stored = [json.loads(each.value or b"") for each in endpoint.stored(topics.OBSERVATIONS)]
        receipts = [
            datetime.fromisoformat(said["stamp"]["received_at"])
            for envelope in stored
            for said in envelope["observations"]
        ]
        assert len(set(receipts)) == 4
        assert receipts == sorted(receipts)
