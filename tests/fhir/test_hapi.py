"""Pulling from a real FHIR server, and what its validator says of our own resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest

from adapters.fhir.client import FhirClient
from adapters.fhir.intake import Intake
from adapters.fhir.lookup import ResourceLookup
from adapters.fhir.poller import Poller
from adapters.fhir.positions import Positions
from adapters.fhir.remote import Remote
from bus.memory import MemoryLog
from bus.port import TopicPartition
from kafka_dev import JavaMissingError
from router.delivery.bundles import SubscriptionStatus, identified, status_of
from router.delivery.channels.fhir import FhirAsked
from router.delivery.resources import encounter_of
from schemas import topics
from schemas.observation import Envelope
from schemas.registration import Content, Owner, Registration
from tests.delivery.backport import faults_of_subscription
from tests.delivery.notices import AT
from tests.delivery.notifications import BASE, outgoing, said, speaker
from tests.fhir.lab import Json, at, bundle, encounter, encounter_r5, normaliser
from tests.fhir.test_surface import Clock, Endpoint
from tests.support import hapi
from wardbridge.api.fhir.answer import outcome
from wardbridge.api.fhir.capability import capability_statement, topic
from wardbridge.api.fhir.events import searchset
from wardbridge.api.fhir.subscription import resource_of
from wardbridge.net.calls import Calls

pytestmark = pytest.mark.timeout(600)  # the first run fetches the server

NOW: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
T = TypeVar("T")


@pytest.fixture(scope="module")
def server() -> str:
    """A server with a ward, its bed, a patient and five stays of theirs."""
    url = hapi.address()
    ward: Json = {"resourceType": "Location", "id": "w1", "identifier": [{"value": "N51"}]}
    bed: Json = {
        "resourceType": "Location", "id": "b1", "name": "12", "partOf": {"reference": "Location/w1"},
        "physicalType": {"coding": [{"code": "bd"}]},
    }  # fmt: skip
    patient: Json = {"resourceType": "Patient", "id": "p1", "identifier": [{"value": "4711"}]}
    with httpx.Client(base_url=f"{url}/fhir", timeout=60) as client:
        for each in (ward, bed, patient, *map(_stay, range(5))):
            put = client.put(f"/{each['resourceType']}/{each['id']}", json=each)
            assert put.is_success, put.text
    return url


def _stay(number: int) -> Json:
    visit = {"type": {"coding": [{"code": "VN"}]}, "value": f"V{number}"}
    return encounter(
        id=f"s{number}",
        identifier=[visit],
        subject={"reference": "Patient/p1"},
        location=[at("b1", "planned")],
        meta={"lastUpdated": (NOW - timedelta(minutes=number)).isoformat()},
    )


class Pulled:
    """A poller of the real server on a log in memory."""

    def __init__(self, server: str, *searches: str) -> None:
        self.log = MemoryLog()
        self._remote = Remote(
            base_url=f"{server}/fhir", searches=searches, page_size=2, look_back_s=150
        )

    async def round(self) -> Poller:
        async with Calls(60) as call:
            client = FhirClient(self._remote, call, asyncio.sleep)
            intake = Intake(normaliser(), self.log, lambda: NOW, 10)
            positions, lookup = (
                Positions(self.log, "fhir", self._remote.base_url),
                ResourceLookup(client, 60, Clock()),
            )
            poller = Poller(self._remote, lookup, intake, positions, lambda: NOW)
            await poller.round()
            return poller

    def visits(self) -> set[tuple[str | None, str | None]]:
        """Visit and marked ward of every observation."""
        stored = self.log.scan(TopicPartition(topics.OBSERVATIONS, 0), 0, 100)
        envelopes = (Envelope.model_validate_json(each.value or b"") for each in stored)
        return {
            (said.visit, said.claims.mark.ward if said.claims.mark else None)
            for each in envelopes
            for said in each.observations
        }


def test_without_java_the_tests_fail_and_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(JavaMissingError, match="openjdk-17-jre-headless maven"):
        hapi._make(tmp_path)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("Encounter?patient=p1", range(5)),
        ("Encounter?identifier=V3", [3]),
        ("Encounter?_id=s1", [1]),
        ("Encounter?_lastUpdated=ge{since}", range(3)),
    ],
)
def test_every_page_of_a_search_is_taken_with_what_it_refers_to(
    server: str, search: str, numbers: list[int]
) -> None:
    pulled = Pulled(server, search)
    poller = run(pulled.round())
    assert poller.failure is None
    assert pulled.visits() == {(f"V{number}", "N51") for number in numbers}


def test_a_search_that_the_server_does_not_offer_is_told_and_not_taken_for_nothing(
    server: str,
) -> None:
    pulled = Pulled(server, "Observation?patient=p1")
    poller = run(pulled.round())
    assert poller.failure is not None
    assert poller.rounds == 0


def _faults(server: str, edition: str, document: Json) -> list[str]:
    response = httpx.post(f"{server}/validate/{edition}", json=document, timeout=300)
    issues = response.json()["issue"]
    return [each["diagnostics"] for each in issues if each["severity"] in {"error", "fatal"}]


@pytest.mark.parametrize(("edition", "of"), [("R4", encounter), ("R5", encounter_r5)])
def test_the_validator_finds_nothing_wrong_with_what_we_say(
    server: str, edition: str, of: Callable[..., Json]
) -> None:
    endpoint = Endpoint(profile={"edition": edition})
    said = [
        endpoint.send("GET", "/fhir/metadata"),
        endpoint.send("POST", "/fhir/Encounter", of()),
        endpoint.send("POST", "/fhir/Encounter", of(status="here")),
        endpoint.send("POST", "/fhir/Encounter", b"{"),
        endpoint.send("POST", "/fhir", bundle("batch", of(), of(status="x"))),
        endpoint.send("POST", "/fhir", bundle("batch", of(status="x"))),
        endpoint.send(
            "POST", "/fhir", bundle("transaction", of(wardOfHope="W"), {"resourceType": "Basic"})
        ),
        endpoint.send("POST", "/fhir", bundle("transaction")),
        endpoint.send("POST", "/fhir/notifications", _notification("heartbeat")),
        endpoint.send("POST", "/fhir/notifications", _notification("event-notification")),
        endpoint.send("POST", "/fhir/Encounter", of(wardOfHope="W")),
        endpoint.send("DELETE", "/fhir/Encounter/1"),
    ]
    expected = [200, 201, 422, 400, 200, 200, 200, 200, 200, 422, 201, 405]
    assert [each.status_code for each in said] == expected
    assert [_faults(server, edition, each.json()) for each in said] == [[]] * len(said)


def _notification(kind: str) -> Json:
    return bundle("history", {"resourceType": "SubscriptionStatus", "type": kind})


@pytest.mark.parametrize("edition", ["R4", "R5"])
def test_the_validator_finds_what_is_wrong(server: str, edition: str) -> None:
    wrong = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "no"}]}
    assert _faults(server, edition, wrong)


# what subscribers are told (the guide's own profiles: tests.delivery.backport; its package is not to be had)

IG_NAME = "uv/subscriptions-backport"


def bare(node: Any) -> Any:
    """Without what names the guide's profiles, which the validator would look for in vain."""
    if isinstance(node, list):
        return [bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        name: bare(value)
        for name, value in node.items()
        if not (name in {"profile", "supportedProfile", "instantiates"} and IG_NAME in str(value))
    }
    return {name: value for name, value in kept.items() if value != {}}


def faults_of(document: Json) -> list[str]:
    return _faults(hapi.address(), "R4", bare(document))


def subscription(
    standing: SubscriptionStatus, heartbeat_s: float | None = None, **more: object
) -> Json:
    registration = Registration(
        name="s1", at=datetime(2026, 1, 15, tzinfo=UTC), channel="fhir", sealed="",
        reason="to be told", owner=Owner(name="portal", how="token"),
    ).model_copy(update=more)  # fmt: skip
    said = {"url": "https://portal.example/hook", "headers": ["Authorization: Bearer geheim"]}
    settings = FhirAsked.model_validate({**said, "content": "empty", "heartbeat_s": heartbeat_s})
    return resource_of(registration, settings, standing)


SUBSCRIPTIONS = [
    subscription(SubscriptionStatus("requested", 0)),
    subscription(SubscriptionStatus("error", 7, "takes nothing: answered 500"), wards=("MED", "Åre 3"),
                 kinds=("designated",), heartbeat_s=60.0, end=AT),
    subscription(SubscriptionStatus("off", 7), hospitals=("Södra Älvsborg",)),
]  # fmt: skip


@pytest.mark.parametrize("name", said())
def test_the_validator_finds_nothing_wrong_with_a_notification(name: str) -> None:
    assert faults_of(said()[name]) == []


@pytest.mark.parametrize("resource", SUBSCRIPTIONS, ids=lambda each: each["status"])
def test_nor_with_a_subscription_that_is_read_back(resource: Json) -> None:
    assert faults_of(resource) == []
    assert faults_of_subscription(resource) == []
    assert "geheim" not in str(resource)


def test_nor_with_anything_else_that_a_subscriber_is_answered() -> None:
    status = status_of(speaker(Content.ID_ONLY), "query-status", SubscriptionStatus("active", 7))
    told = outgoing().notice
    answers = {
        "metadata": capability_statement(BASE, AT, "0.1.0"),
        "encounter": encounter_of(told.data, told.time),
        "one whose time is not known": encounter_of(told.data, None),
        "status": searchset([identified(speaker(Content.ID_ONLY), status)]),
        "search": searchset([(f"{BASE}/Subscription/s1", SUBSCRIPTIONS[0])]),
        "nothing found": searchset([]),
        "refused": outcome(422, "only rest-hook is offered", "Subscription.channel.type"),
    }
    assert {name: found for name, each in answers.items() if (found := faults_of(each))} == {}


def test_of_the_topic_it_knows_all_but_the_extensions_of_a_later_release() -> None:
    assert all("invalid Version '5.0'" in each for each in faults_of(topic()))


def test_the_validator_finds_what_is_wrong_with_a_notification() -> None:
    bundle = said()["designated"]
    bundle["entry"][1]["resource"]["status"] = "on-the-way"
    assert faults_of(bundle)
    del bundle["entry"][0]["request"]
    assert len(faults_of(bundle)) > 1
