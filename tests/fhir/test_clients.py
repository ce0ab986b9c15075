"""HAPI's own client and fhirpy as senders: what they make of our answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Final

import httpx
import pytest
from fhirpy import SyncFHIRClient

from tests.fhir.lab import Json, at, bundle, encounter
from tests.fhir.test_answers import AS_CASE_53
from tests.fhir.test_surface import Endpoint, listening
from tests.support import hapi

pytestmark = pytest.mark.timeout(600)  # the first run fetches the client

GOOD: Final = encounter(location=[at("A"), at("B", "planned")])
PREFERENCES: Final = ["none", "minimal", "representation", "outcome"]


@pytest.fixture(scope="module")
def client() -> str:
    """Where HAPI's client takes orders."""
    return hapi.address()


def sent(client: str, verb: str, document: Json, prefer: str = "none") -> dict[str, str]:
    """What HAPI's client makes of the answer, by name; of a transaction, location by status."""

    def send(base: str) -> str:
        order = {"base": f"{base}/fhir", "verb": verb, "prefer": prefer}
        response = httpx.post(
            f"{client}/send", params=order, content=json.dumps(document), timeout=120
        )
        return response.text

    told = with_endpoint(send)
    return dict(line.split(" ", 1) if verb != "transaction" else line.rsplit(" ", 1)[::-1]
                for line in told.splitlines())  # fmt: skip


def with_endpoint(use: Callable[[str], str]) -> str:
    async def run() -> str:
        endpoint = Endpoint(profile={"unversioned": "receipt"})
        async with listening(endpoint) as url:
            return await asyncio.to_thread(use, url)

    return asyncio.run(run())


@pytest.mark.parametrize("prefer", PREFERENCES)
def test_hapi_updates_and_follows_no_address(client: str, prefer: str) -> None:
    """Case 53."""
    told = sent(client, "update", AS_CASE_53, prefer)
    assert (told["status"], told["created"]) == ("200", "null")
    assert told["resource"] == ("Encounter" if prefer in {"none", "representation"} else "none")
    assert told["outcome"] == ("OperationOutcome" if prefer == "outcome" else "none")


@pytest.mark.parametrize("prefer", PREFERENCES)
@pytest.mark.parametrize("number", ["e1", None])
def test_hapi_creates_and_learns_the_id(client: str, prefer: str, number: str | None) -> None:
    document = {**GOOD, "id": number} if number else {k: v for k, v in GOOD.items() if k != "id"}
    told = sent(client, "create", document, prefer)
    assert (told["status"], told["created"]) == ("201", "true")
    assert "/fhir/Encounter/" in told["id"] or told["id"].startswith("Encounter/")
    assert "_history" not in told["id"]


@pytest.mark.parametrize("prefer", PREFERENCES)
def test_hapi_updates_by_an_identifier(client: str, prefer: str) -> None:
    assert sent(client, "by-identifier", GOOD, prefer)["status"] == "200"


def test_hapi_learns_the_location_of_each_entry(client: str) -> None:
    document = bundle("transaction")
    document["entry"] = [
        {"fullUrl": "urn:uuid:00000000-0000-0000-0000-000000000007", "resource": encounter(id=None),
         "request": {"method": "POST", "url": "Encounter"}},
        {"resource": GOOD, "request": {"method": "PUT", "url": "Encounter/e1"}},
    ]  # fmt: skip
    assert sent(client, "transaction", document) == {
        "Encounter/00000000-0000-0000-0000-000000000007": "201 Created",
        "Encounter/e1": "200 OK",
    }


def test_hapi_updates_what_has_a_version_under_that_version(client: str) -> None:
    """It sends ``If-Match`` with the version of what it sends, unasked."""
    assert sent(client, "update", GOOD)["status"] == "200"


def test_hapi_is_told_why_it_is_refused(client: str) -> None:
    document = encounter(status="unknown")
    assert sent(client, "update", document) == {"UnprocessableEntityException": "422"}


def test_fhirpy_keeps_its_resource_and_saves_it_again() -> None:
    def use(base: str) -> str:
        client = SyncFHIRClient(f"{base}/fhir")
        new = client.resource(
            "Encounter", **{k: v for k, v in GOOD.items() if k not in {"id", "resourceType"}}
        )
        new.save()
        assert new.id
        number = new.id
        new["status"] = "onleave"
        new.save()
        assert (new.id, new["status"]) == (number, "onleave")
        known = client.resource(
            "Encounter", **{k: v for k, v in GOOD.items() if k != "resourceType"}
        )
        known.save()
        assert (known.id, known["identifier"][0]["value"]) == ("e1", "V1")
        updated, is_created = client.resources("Encounter").search(identifier="V1").update(known)
        assert (updated.id, is_created) == ("e1", False)
        return ""

    with_endpoint(use)
