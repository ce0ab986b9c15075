"""A client that nobody here wrote (fhirpy) subscribes at the real service, is told, reads, and leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import ForbiddenError, ResourceNotFound
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.campaigns import only_in_campaigns
from tests.support.fhir_receiver import number_of, told_of
from tests.support.histories import Visit, message
from tests.support.labs import lab_on_kafka, lab_on_sqlite
from tests.support.mllp import MllpClient
from tests.support.receiver import HttpReceiver, answering
from tests.support.service import Service
from tests.wardbridge.test_fhir_surface import subscription

pytestmark = pytest.mark.timeout(240)
TOKENS = """
[registrations]
allow_private = true
[http.access.tokens.portal]
secret = "the-token-of-portal"
wards = ["W8"]
may = ["read", "subscribe"]
[http.access.tokens.operator]
secret = "the-token-of-operator"
may = ["metrics", "operate"]
"""


@contextmanager
def serving(lab: Callable[[Path], Service], folder: Path, *roles: str) -> Iterator[Service]:
    """``roles``: what it is there for; none: everything."""
    service = lab(folder)
    service.roles = roles
    with service.config.open("a", encoding="utf-8") as config:
        config.write(TOKENS)
    service.start()
    service.wait_until_ready()
    try:
        yield service
        assert service.stop() == 0
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


def wanted(client: SyncFHIRClient, receiver: HttpReceiver, *filters: str) -> Any:
    said = subscription(*filters, channel={"endpoint": receiver.url})
    return client.resource(said.pop("resourceType"), **said)


def mark(service: Service, visit: str, ward: str, trigger: str = "A14") -> None:
    with MllpClient(service.mllp_port) as client:
        client.ask(
            message(Visit(visit, datetime.now(UTC)), trigger, f"{visit}{trigger}", ward=ward)
        )


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05), stop=stop_after_delay(180),
    reraise=True,
)  # fmt: skip
def until_status(subscribed: Any, expected: str) -> None:
    subscribed.refresh()
    assert subscribed["status"] == expected


@pytest.mark.parametrize(
    "lab",
    [lab_on_sqlite, pytest.param(lab_on_kafka, marks=only_in_campaigns)],
    ids=["sqlite", "kafka"],
)
def test_a_foreign_client_subscribes_is_told_reads_and_leaves(
    lab: Callable[[Path], Service], tmp_path: Path
) -> None:
    answers = [204]
    with (
        HttpReceiver(lambda _: answering(answers[0])) as receiver,
        serving(lab, tmp_path) as service,
    ):
        client = SyncFHIRClient(f"{service.url}/fhir", "Bearer the-token-of-portal")
        with pytest.raises(ForbiddenError) as refused:
            wanted(client, receiver, "Encounter?location=W9").create()
        assert "rights" in str(refused.value)
        subscribed = wanted(client, receiver)
        subscribed.create()
        until_status(subscribed, "active")
        assert [each.id for each in client.resources("Subscription").fetch()] == [subscribed.id]

        mark(service, "v1", "W8")
        mark(service, "v2", "W9")  # not theirs
        receiver.wait_for(lambda receiver: len(receiver.taken) == 2)
        event = receiver.taken[1].event
        assert (told_of(event)["type"], number_of(event)) == ("event-notification", 1)
        number = event["entry"][1]["fullUrl"].rpartition("/")[2]
        encounter = client.reference("Encounter", number).to_resource()
        assert encounter["location"][0]["status"] == "planned"
        assert dict(encounter) == event["entry"][1]["resource"]

        answers[0] = 410
        mark(service, "v3", "W8")
        until_status(subscribed, "error")
        mark(service, "v4", "W8")
        status = subscribed.execute("$status", method="get")
        assert told_of({"entry": status["entry"]})["status"] == "error"
        answers[0] = 204
        subscribed["status"] = "requested"
        subscribed.save()
        until_status(subscribed, "active")
        receiver.wait_for(lambda receiver: len(receiver.taken) == 5)
        events = [each.event for each in receiver.taken if b"event-number" in each.body]
        assert [number_of(each) for each in events] == [1, 2, 3]
        happened = subscribed.execute("$events", method="get", params={"eventsSinceNumber": 2})
        assert len(happened["entry"][0]["resource"]["parameter"]) == 7

        subscribed.delete()
        with pytest.raises(ResourceNotFound):
            client.reference("Subscription", subscribed.id).to_resource()
        mark(service, "v5", "W8")
        health = httpx.get(
            f"{service.url}/health", headers={"Authorization": "Bearer the-token-of-operator"}
        )
        assert health.json()["ready"]
    assert len(receiver.taken) == 5
    assert "the-token" not in service.said()
    assert "geheim" not in service.said()


@only_in_campaigns
def test_whichever_process_delivers_takes_over_what_was_registered_at_another(
    tmp_path: Path,
) -> None:
    """One that answers HTTP and two that deliver, one of which is killed: no event missed or doubled
    in number."""
    with (
        HttpReceiver() as receiver,
        serving(front_of_several, tmp_path, "adapters", "router", "http") as front,
        ExitStack() as stack,
    ):
        deliverers = [beside(front, number) for number in (1, 2)]
        for each in deliverers:
            stack.callback(each.kill)
            each.start()
            each.wait_until_ready()
        client = SyncFHIRClient(f"{front.url}/fhir", "Bearer the-token-of-portal")
        subscribed = wanted(client, receiver)
        subscribed.create()
        until_status(subscribed, "active")
        for number in range(1, 6):
            mark(front, f"v{number}", "W8")
        receiver.wait_for(lambda receiver: len(receiver.taken) >= 6)
        deliverers[0].kill()
        for number in range(6, 11):
            mark(front, f"v{number}", "W8")
        receiver.wait_for(lambda receiver: 10 in numbers_of(receiver))
        assert list(dict.fromkeys(numbers_of(receiver))) == list(range(1, 11))
        deliverers[1].kill()
        mark(front, "v11", "W8")
        deliverers[0].start()
        receiver.wait_for(lambda receiver: 11 in numbers_of(receiver))


def front_of_several(folder: Path) -> Service:
    """On a log that processes share, each under a name of its own."""
    service = lab_on_kafka(folder, 'instance = "${WARDBRIDGE_INSTANCE}"')
    service.environment["WARDBRIDGE_INSTANCE"] = "front"
    return service


def beside(front: Service, number: int) -> Service:
    """Another process of the installation, in its folder and on its log."""
    environment = {**front.environment, "WARDBRIDGE_INSTANCE": f"delivery{number}"}
    made = Service(front.data, front.config, environment)
    made.roles = ("delivery",)
    return made


def numbers_of(receiver: HttpReceiver) -> list[int]:
    calls = [call for call in list(receiver.taken) if b"event-number" in call.body]
    return [number_of(call.event) for call in calls]
