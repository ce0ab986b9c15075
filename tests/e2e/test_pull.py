"""The service with a feed that pulls: what a real FHIR server holds is told to the ward."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_service import AT, kinds, started, stream, until_on_list, visits
from tests.support import hapi
from tests.support.service import Service
from tests.wardbridge.support import configured, lab_text

pytestmark = pytest.mark.timeout(600)  # the first run fetches the server

WARD, PATIENT, VISIT = "PULLMED", "pulled", "PULL-1"
PULL = """
[feeds.fhir.pull]
base_url = "{server}/fhir"
searches = ["Encounter?patient={patient}"]
interval_s = 0.1
cache_s = 0

[feeds.elvis]"""


class Server:
    """The record system: a patient who lies on one ward and is to come to another."""

    def __init__(self) -> None:
        self.url = hapi.address()
        self._put({"resourceType": "Patient", "id": PATIENT, "identifier": [{"value": "P-PULL"}]})
        ward = {"resourceType": "Location", "id": WARD.lower(), "identifier": [{"value": WARD}]}
        self._put(ward)

    def say(self, second: int, status: str) -> None:
        """The visit's newest version: the ward is where the patient is to come, or is."""
        stay = {"status": status, "location": {"reference": f"Location/{WARD.lower()}"}}
        self._put({
            "resourceType": "Encounter",
            "id": VISIT.lower(),
            "meta": {"lastUpdated": (AT + timedelta(seconds=second)).isoformat()},
            "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": VISIT}],
            "status": "in-progress",
            "class": {"code": "IMP"},
            "subject": {"reference": f"Patient/{PATIENT}"},
            "location": [stay],
        })  # fmt: skip

    def forget(self) -> None:
        """Leave the server to other tests as it was."""
        httpx.delete(f"{self.url}/fhir/Encounter/{VISIT.lower()}", timeout=60).raise_for_status()

    def _put(self, resource: dict[str, Any]) -> None:
        url = f"{self.url}/fhir/{resource['resourceType']}/{resource['id']}"
        assert httpx.put(url, json=resource, timeout=60).is_success


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.forget()


@pytest.fixture
def service(server: Server, tmp_path: Path) -> Iterator[Service]:
    pull = PULL.format(server=server.url, patient=PATIENT)
    text = lab_text().replace("\n[feeds.elvis]", pull)
    made = Service(tmp_path / "data", configured(tmp_path, text))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_mark_on_the_server_is_told_once_and_its_fulfilment_after_a_kill(
    server: Server, service: Service
) -> None:
    server.say(0, "planned")
    started(service)
    until_on_list(service, WARD, [VISIT])
    server.say(1, "planned")  # a new version that changes nothing for the ward
    service.kill()
    started(service)
    assert visits(service, WARD) == [VISIT]
    with stream(service, WARD, after=0) as events:
        server.say(2, "active")
        assert kinds(events, 2) == [("designated", "marked", 1), ("arrived", "moved-in", 2)]
    until_on_list(service, WARD, [])
    (feed,) = (each for each in service.get("/health")["feeds"] if each["name"] == "fhir")
    assert feed["figures"]["rounds"] >= 1
    assert feed["last_seen"] is not None
    assert service.stop() == 0
