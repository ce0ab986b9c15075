"""What HAPI's validator says of everything that a FHIR subscriber is told or reads: R4, and nothing else.

The profiles of the guide are checked in ``tests.delivery.backport``: its package is not to be had.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from router.delivery.bundles import Standing, identified, status_of
from router.delivery.resources import encounter_of
from schemas.registration import Content, Owner, Registration
from tests.delivery.backport import faults_of_subscription
from tests.delivery.notices import AT
from tests.delivery.notifications import BASE, outgoing, said, speaker
from tests.support import hapi
from wardbridge.http.fhir.answer import outcome
from wardbridge.http.fhir.capability import capability_statement, topic
from wardbridge.http.fhir.events import searchset
from wardbridge.http.fhir.subscription import resource_of
from wardbridge.sealing import Secrets

pytestmark = pytest.mark.timeout(600)  # the first run fetches the server
Json = dict[str, Any]
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


def faults(document: Json) -> list[str]:
    response = httpx.post(f"{hapi.address()}/validate/R4", json=bare(document), timeout=300)
    issues = response.json()["issue"]
    return [each["diagnostics"] for each in issues if each["severity"] in {"error", "fatal"}]


def subscription(standing: Standing, **more: object) -> Json:
    registration = Registration(
        name="s1", at=datetime(2026, 1, 15, tzinfo=UTC), way="fhir", sealed="", reason="to be told",
        owner=Owner(name="portal", how="token"), content=Content.EMPTY,
    ).model_copy(update=more)  # fmt: skip
    secrets = Secrets(url="https://portal.example/hook", headers=("Authorization: Bearer geheim",))
    return resource_of(registration, secrets, standing)


SUBSCRIPTIONS = [
    subscription(Standing("requested", 0)),
    subscription(Standing("error", 7, "takes nothing: answered 500"), wards=("MED", "Åre 3"),
                 kinds=("designated",), heartbeat_s=60.0, end=AT),
    subscription(Standing("off", 7), hospitals=("Södra Älvsborg",)),
]  # fmt: skip


@pytest.mark.parametrize("name", said())
def test_the_validator_finds_nothing_wrong_with_a_notification(name: str) -> None:
    assert faults(said()[name]) == []


@pytest.mark.parametrize("resource", SUBSCRIPTIONS, ids=lambda each: each["status"])
def test_nor_with_a_subscription_that_is_read_back(resource: Json) -> None:
    assert faults(resource) == []
    assert faults_of_subscription(resource) == []
    assert "geheim" not in str(resource)


def test_nor_with_anything_else_that_is_answered() -> None:
    status = status_of(speaker(Content.ID_ONLY), "query-status", Standing("active", 7))
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
    assert {name: found for name, each in answers.items() if (found := faults(each))} == {}


def test_of_the_topic_it_knows_all_but_the_extensions_of_a_later_release() -> None:
    assert all("invalid Version '5.0'" in each for each in faults(topic()))


def test_the_validator_finds_what_is_wrong() -> None:
    bundle = said()["designated"]
    bundle["entry"][1]["resource"]["status"] = "on-the-way"
    assert faults(bundle)
    del bundle["entry"][0]["request"]
    assert len(faults(bundle)) > 1
