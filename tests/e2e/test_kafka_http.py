"""Two processes that serve wards on one log: what is said to one is seen at the other, once.

On SQLite one process serves; there two cannot be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from schemas import topics
from tests.support.campaigns import only_in_campaigns
from tests.support.histories import Visit, message
from tests.support.labs import lab_on_kafka, log_of
from tests.support.mllp import MllpClient, code_of
from tests.support.replay import everything
from tests.support.service import Service

ROLES = {"deciding": ("adapters", "router"), "one": ("http",), "other": ("http",)}
pytestmark = only_in_campaigns  # tests/wardbridge/test_acknowledging.py shows it in memory
STREAM = "/v1/wards/W1/stream"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[list[Service]]:
    first = lab_on_kafka(tmp_path, 'instance = "${WARDBRIDGE_INSTANCE}"')
    made = []
    for name, roles in ROLES.items():
        environment = {**first.environment, "WARDBRIDGE_INSTANCE": name}
        service = Service(tmp_path / name, first.config, environment)
        service.roles = roles
        service.start()
        made.append(service)
    for service in made:
        service.wait_until_ready()
    yield made
    assert [service.stop() for service in made] == [0, 0, 0]


def test_what_a_ward_says_to_one_process_is_shown_once_by_both(services: list[Service]) -> None:
    deciding, *both = services
    with ThreadPoolExecutor(4) as at_once, MllpClient(deciding.mllp_port) as client:
        mark(client, "first")
        rows = [until_shown(service, "first") for service in both]
        assert rows[0] == rows[1]
        streams = [at_once.submit(heard_until, service, "last") for service in both]
        for service in both:
            until_listened_to(service)
        said = acknowledge(both[0], rows[0])
        assert acknowledge(both[1], until_acknowledged(both[1], "first")) == said
        mark(client, "second")
        rows = [until_shown(service, "second") for service in both]
        one, other = at_once.map(acknowledge, both, rows)
        assert one == other
        mark(client, "last")
        expected = ["second", said["at"], one["at"], "last"]
        for each in streams:
            assert sorted(each.result()) == sorted(expected)
        shown = [[row["acknowledged"] for row in listed(service)] for service in both]
        assert shown[0] == shown[1]
        assert [entry and entry["at"] for entry in shown[0]] == [said["at"], one["at"], None]
        check_that_places_are_found_at_once(client, *both)
    with log_of(deciding) as log:
        assert 2 <= len(list(everything(log, topics.ACKNOWLEDGEMENTS))) <= 3


def check_that_places_are_found_at_once(client: MllpClient, one: Service, other: Service) -> None:
    """Who read a list at one process goes on at the other, which may not have read so far yet."""
    for number in range(5):
        mark(client, f"more-{number}")
        until_shown(one, f"more-{number}")
        newest = httpx.get(f"{one.url}/v1/wards/W1/inbound").json()["last_event_id"]
        mark(client, f"after-{number}")
        assert heard_until(other, f"after-{number}", after=newest) == [f"after-{number}"]


def mark(client: MllpClient, visit: str) -> None:
    assert code_of(client.ask(message(Visit(visit, datetime.now(UTC)), "A14", visit, ward="W1"))) == "AA"  # fmt: skip


def listed(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/v1/wards/W1/inbound")["patients"]
    return found


soon = retry(
    retry=retry_if_exception_type((AssertionError, ValueError)),
    wait=wait_fixed(0.02), stop=stop_after_delay(180), reraise=True,
)  # fmt: skip


@soon
def until_shown(service: Service, visit: str) -> dict[str, Any]:
    (row,) = [row for row in listed(service) if row["visit"]["visit"] == visit]
    return row


@soon
def until_acknowledged(service: Service, visit: str) -> dict[str, Any]:
    row = until_shown(service, visit)
    assert row["acknowledged"]
    return row


@soon
def until_listened_to(service: Service) -> None:
    assert service.get("/health")["listeners"] == 1


def acknowledge(service: Service, row: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/wards/W1/inbound/{row['designation']}/acknowledgement"
    said: dict[str, Any] = httpx.post(f"{service.url}{path}", timeout=20).raise_for_status().json()
    return said


def heard_until(service: Service, visit: str, after: str = "1") -> list[str]:
    """The visit of each notice and the time of each acknowledgement; whatever else by its name."""
    heard = []
    headers = {"Last-Event-ID": after}
    with (
        httpx.Client(timeout=30, trust_env=False) as client,
        connect_sse(client, "GET", f"{service.url}{STREAM}", headers=headers) as stream,
    ):
        for event in stream.iter_sse():
            said = json.loads(event.data or "null")
            if event.event == "acknowledged":
                heard.append(said["at"])
            elif said:
                heard.append(said["data"]["visit"]["visit"] if "data" in said else event.event)
            if heard[-1:] == [visit]:
                break
    return heard
