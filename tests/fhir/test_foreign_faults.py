"""Faults that other FHIR servers and clients were reported to have, tried on this one.

Each names where it was reported, as repository and number.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.fhir.client import RemoteError
from schemas.ward import Ward, WardRegister
from tests.fhir.lab import Json, at, bundle, claimed, encounter, outcome, reason
from tests.fhir.test_answers import send
from tests.fhir.test_pull import Server, page, pages, run
from tests.fhir.test_surface import Endpoint

MED: Json = {"resourceType": "Location", "id": "52", "identifier": [{"value": "MED"}]}
KIR: Json = {"resourceType": "Location", "id": "52", "identifier": [{"value": "KIR"}]}


def placed(document: Json) -> str | None:
    place = claimed(document).place
    return place.ward if place else None


def of_servers(*entries: tuple[str, Json], kind: str = "collection") -> Json:
    found = [{"fullUrl": url, "resource": each} for url, each in entries]
    return {"resourceType": "Bundle", "type": kind, "entry": found}


STAY: Json = encounter(location=[at("52")])


@pytest.mark.parametrize(
    ("entries", "ward"),
    [
        # samply/blaze#2734, nazrulworld/fhir.resources#42: relative to the server of who refers
        ([("https://a.test/r4/Encounter/e1", STAY), ("https://a.test/r4/Location/52", MED)], "MED"),
        ([("https://a.test/r4/Encounter/e1", STAY), ("https://a.test/r4/Location/52", MED),
          ("https://b.test/r4/Location/52", KIR)], "MED"),
        ([("https://b.test/r4/Encounter/e1", STAY), ("https://a.test/r4/Location/52", MED),
          ("https://b.test/r4/Location/52", KIR)], "KIR"),
        ([("https://b.test/r4/Encounter/e1", STAY), ("https://b.test/r4/Location/52", {**KIR, "id": None})],
         "KIR"),  # the address has the id, the resource has none
        # another server's is not ours, though it has the id
        ([("https://b.test/r4/Encounter/e1", STAY), ("https://a.test/r4/Location/52", MED)], "52"),
        # hapifhir/hapi-fhir#1102: addresses and UUIDs side by side
        ([("https://a.test/r4/Encounter/e1", STAY), ("urn:uuid:1", MED)], "MED"),
        ([("urn:uuid:2", STAY), ("https://a.test/r4/Location/52", MED)], "MED"),
        ([("urn:uuid:2", STAY), ("https://a.test/r4/Location/52", MED),
          ("https://b.test/r4/Location/52", KIR)], "52"),
        ([("", STAY), ("", MED)], "MED"),
        # medplum/medplum#4104, HasteHealth/HasteHealth#679: addresses that are none
        ([("http://localhost:8103fhir/R4/Encounter/e1", STAY), ("Location/52", MED)], "MED"),
    ],
)  # fmt: skip
def test_a_relative_reference_is_one_of_its_own_server(
    entries: list[tuple[str, Json]], ward: str
) -> None:
    assert placed(of_servers(*entries)) == ward


def test_what_a_contained_resource_refers_to_lies_beside_it_and_not_elsewhere() -> None:
    """``#s`` of the ward's own is another than ``#s`` of the Encounter."""
    north: Json = {"resourceType": "Location", "id": "s", "identifier": [{"value": "NORR"}]}
    south: Json = {"resourceType": "Location", "id": "s", "identifier": [{"value": "SODER"}]}
    ward = MED | {"contained": [south], "partOf": {"reference": "#s"}}
    wards = WardRegister(
        Ward(id=f"{each}-MED", name=each, hospital=each, aliases={"ehr": (f"MED@{each}",)})
        for each in ("NORR", "SODER")
    )
    found = outcome(bundle("collection", STAY | {"contained": [north]}, ward), wards)
    place = found.observations[0].claims.place
    assert place is not None
    assert place.ward == "SODER-MED"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_that_is_to_state_an_encounter_and_brings_none_is_refused(
    kind: str, method: str
) -> None:
    """hapifhir/hapi-fhir#1355: a NullPointerException there, a silent 200 here."""
    entry = {
        "request": {"method": method, "url": "Encounter/e1" if method == "PUT" else "Encounter"}
    }
    response = send("POST", "/fhir", {**bundle(kind), "entry": [entry]})
    told = response.json()
    issues = (
        told["issue"] if kind == "transaction" else told["entry"][0]["response"]["outcome"]["issue"]
    )
    assert issues[0]["details"]["coding"][0]["code"] == "not-a-resource"
    assert issues[0]["expression"] == ["Bundle.entry[0].resource"]


def test_encounters_of_a_bundle_within_a_bundle_are_not_passed_over_in_silence() -> None:
    """medplum/medplum#7323."""
    inner = bundle("transaction", STAY)
    entry = {"resource": inner, "request": {"method": "POST", "url": "/"}}
    good = {"resource": encounter(), "request": {"method": "POST", "url": "Encounter"}}
    found = outcome({**bundle("batch"), "entry": [entry, good]})
    assert [each.reason for each in found.warnings] == ["bundle-type-not-read"]
    assert found.warnings[0].mark_unread is False
    assert len(found.observations) == 1
    assert reason({**bundle("transaction"), "entry": [entry]})[:2] == (
        "review",
        "bundle-type-not-read",
    )


def test_a_batch_is_answered_200_whatever_its_entries_are() -> None:
    """LinuxForHealth/FHIR#747, samply/blaze#3820, wso2/fhir-server#43."""
    entries: list[Any] = [
        None,
        {"resource": encounter(status="x")},
        {"resource": encounter(period={"start": "2009"})},
    ]
    response = send("POST", "/fhir", {**bundle("batch"), "entry": entries})
    assert response.status_code == 200
    statuses = [each["response"]["status"][0] for each in response.json()["entry"]]
    assert statuses == ["4", "4", "2"]


def test_an_entry_that_failed_has_no_etag_and_no_location() -> None:
    """awslabs/fhir-works-on-aws-deployment#602."""
    response = send(
        "POST", "/fhir", {**bundle("batch"), "entry": [{"resource": encounter(status="x")}]}
    )
    assert response.json()["entry"][0]["response"].keys() == {"status", "outcome"}


@pytest.mark.parametrize("condition", ['W/"1"', '"1"', "1", 'W/"1', ' W/"1" '])
def test_the_version_of_the_body_is_no_condition_however_it_is_written(condition: str) -> None:
    """hapifhir/hapi-fhir#2979: its client left out the ``W/`` for years."""
    response = Endpoint().send("PUT", "/fhir/Encounter/e1", encounter(), {"If-Match": condition})
    assert response.status_code == 200


def test_an_outcome_is_told_only_where_it_is_asked_for() -> None:
    """hapifhir/hapi-fhir#996, LinuxForHealth/FHIR#115: without ``Prefer`` never an OperationOutcome."""
    assert send("PUT", "/fhir/Encounter/e1", encounter()).json()["resourceType"] == "Encounter"


@pytest.mark.parametrize("element", [{"extension": None}, {"_status": {"extension": None}}, {"location": None},
                                     {"participant": [None]}, {"text": {"div": None}}, {"identifier": [None]}], ids=str)  # fmt: skip
def test_null_where_nothing_is_meant_is_no_fault(element: Json) -> None:
    """hapifhir/hapi-fhir#6814, FirelyTeam/firely-net-sdk#20."""
    document = encounter() | element
    found = outcome(document, check="lean")
    assert found.reason != "internal-error"
    if "identifier" not in element:
        assert found.observations


def test_a_key_twice_is_refused_where_it_would_decide() -> None:
    """LinuxForHealth/FHIR#1155, hapifhir/hapi-fhir#848: the last one won."""
    twice = b'"location":[{"status":"planned","location":{"reference":"Location/A","reference":"Location/B"}}]'
    whole = b'{"resourceType":"Encounter","status":"in-progress","status":"finished"}'
    text = json.dumps(encounter()).encode()[:-1] + b"," + twice + b"}"
    found = outcome(text)
    assert [each.reason for each in found.warnings] == ["duplicate-key"]
    assert not found.observations[0].claims.says("mark")
    assert reason(whole)[:2] == ("review", "duplicate-key")


def test_the_same_pending_location_twice_is_one() -> None:
    """ballerina-platform/module-ballerinax-health.hl7v2#317."""
    assert (
        claimed(encounter(location=[at("A", "planned"), at("A", "planned"), at("B")])).mark
        is not None
    )


@pytest.mark.parametrize(
    "following",
    [
        "?page=2",
        "/r4/?page=2",
        "/r4?page=2",
        "https://ehr.test/r4?page=2",
        "HTTPS://ehr.test:443/r4/?page=2",
    ],
)
def test_a_link_may_be_relative_to_the_base_or_to_the_server(following: str) -> None:
    """POLAR-fhiR/fhircrackr#116, beda-software/fhir-py#136."""
    answers = {"Encounter?_count=2": page(following=following), "?page=2": page()}
    server = Server(answers | {"https://ehr.test/r4?page=2": page()})
    assert len(run(pages(server.client(), "Encounter"))) == 2


def test_a_next_page_that_is_empty_is_the_end_of_nothing_and_not_for_ever() -> None:
    """hapifhir/hapi-fhir#7711, hapifhir/hapi-fhir#1300: a next page is named for ever."""
    stay = encounter()
    some = {
        "Encounter?_count=2": page(following="?page=0"),
        "?page=0": page(following="?page=1"),
        "?page=1": page(stay),
    }
    assert len(run(pages(Server(some).client(), "Encounter"))) == 3
    endless = {f"?page={number}": page(following=f"?page={number + 1}") for number in range(200)}
    server = Server(endless | {"Encounter?_count=2": page(stay, following="?page=0")})
    with pytest.raises(RemoteError, match="pages in a row are empty"):
        run(pages(server.client(), "Encounter"))
    assert len(server.asked) < 110
