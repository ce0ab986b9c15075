"""The service with two feeds of one source: FHIR and HL7 speak of one patient and one visit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_service import AT, started, tell, until_on_list, until_requests
from tests.support.service import FHIR_PORT, Service

WARD = "FHIRMED"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = started(Service(tmp_path / "data"))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def stay(visit: str, second: int, ward: str, status: str = "planned") -> dict[str, Any]:
    """The Encounter of a visit of ``tests.support.histories``, by the same numbers."""
    return {
        "resourceType": "Encounter",
        "meta": {"lastUpdated": (AT + timedelta(seconds=second)).isoformat()},
        "identifier": [{"type": {"coding": [{"code": "VN"}]}, "value": visit}],
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": {"identifier": {"system": "LAB", "value": f"P{visit}"}},
        "location": [{"status": status, "location": {"identifier": {"value": ward}}}],
    }


def say(service: Service, encounter: dict[str, Any]) -> None:
    url = f"http://127.0.0.1:{FHIR_PORT + service.offset}/fhir/Encounter"
    response = httpx.post(url, json=encounter, timeout=20)
    assert response.status_code == 201, response.text


def test_a_ward_is_told_of_a_mark_by_fhir_and_of_its_cancel_by_hl7(service: Service) -> None:
    say(service, stay("V7", 0, WARD))
    until_on_list(service, WARD, ["V7"])
    tell(service, ("A27", WARD), visit="V7", step=1)
    until_on_list(service, WARD, [])
    assert service.stop() == 0


def test_a_mark_by_hl7_is_fulfilled_by_an_encounter_and_an_older_one_changes_nothing(
    service: Service,
) -> None:
    tell(service, ("A14", WARD), visit="V8", step=5)
    until_on_list(service, WARD, ["V8"])
    say(service, stay("V8", 6, WARD, "active"))
    until_on_list(service, WARD, [])
    say(service, stay("V8", 1, WARD))  # says that the patient is to come, and is older
    say(service, stay("V9", 7, WARD))
    until_on_list(service, WARD, ["V9"])
    until_requests(service, "fhir", 3)
