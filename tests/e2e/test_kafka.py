"""The service with its log on a real broker: told as on SQLite, also after a restart."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_delivery import NAMES, SUBSCRIBER
from tests.e2e.test_service import AT, kinds, started, stream, tell, until_on_list, visits
from tests.support.histories import Visit, message
from tests.support.kafka import read_downstream
from tests.support.labs import lab_on_kafka, lab_on_sqlite
from tests.support.mllp import MllpClient
from tests.support.receiver import HttpReceiver
from tests.support.service import Service, free_offset
from tests.wardbridge.support import cli, command
from wardbridge.config.load import load

pytestmark = pytest.mark.timeout(240)  # each is several starts on a real broker


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = lab_on_kafka(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_mark_over_mllp_is_told_to_the_ward_and_a_restart_resumes(service: Service) -> None:
    started(service)
    with stream(service, "W1") as events:
        tell(service, *[("A14", "W1"), ("A14", "W2")] * 5)
        assert [sequence for _, _, sequence in kinds(events, 10)] == list(range(1, 11))
    assert service.stop() == 0
    started(service)
    assert (visits(service, "W1"), visits(service, "W2")) == ([], ["V1"])
    with stream(service, "W1", after=8) as events:
        tell(service, ("A14", "W1"), step=10)
        told = kinds(events, 3)
    assert told == [
        ("designated", "marked", 9), ("withdrawn", "redesignated", 10), ("designated", "marked", 11),
    ]  # fmt: skip
    health = service.get("/health")
    assert (health["ready"], health["router"]["lag_records"]) == (True, 0)
    assert service.stop() == 0


def test_what_is_in_review_can_be_listed_beside_the_service(service: Service) -> None:
    started(service)
    with MllpClient(service.mllp_port) as client:
        client.ask(message(Visit("", AT), "A14", "no-visit", ward="W1"))
    where = ("--config", service.config, "--data", service.data)
    unheard = (
        "--port-offset",
        str(free_offset()),
    )  # another test's service may be at the lab's port
    listed = command("review", "list", *where, *unheard, environment=service.environment)
    assert "no service answers" in listed.stderr, "at that port: the log itself was read"
    (item,) = [json.loads(line)["item"] for line in listed.stdout.splitlines()]
    shown = command("review", "show", item["id"], *where, *unheard, environment=service.environment)
    assert ">>><<<" in shown.stdout
    audited = command("audit", "list", *where, environment=service.environment).stdout
    looked_up = [json.loads(line)["about"] for line in audited.splitlines()]
    assert looked_up == ["review list", f"review show {item['id']}"]
    assert service.stop() == 0


def test_each_role_may_be_a_service_of_its_own(
    services: dict[str, Service], receiver: HttpReceiver
) -> None:
    adapters, router, http, _ = (started(services[role]) for role in services)
    tell(adapters, ("A14", "W1"))
    until_on_list(http, "W1", ["V1"])
    router.kill()
    tell(adapters, ("A14", "W2"), step=1)
    assert visits(http, "W1") == ["V1"], "nobody decides"
    started(router)
    until_on_list(http, "W2", ["V1"])
    assert visits(http, "W1") == []
    assert httpx.get(f"{adapters.url}/v1/wards/W2/inbound").status_code == 404
    receiver.wait_for(lambda receiver: len(receiver.taken) == 3)
    told = [call.event["data"] for call in receiver.taken]
    assert sorted(each["ward"] for each in told) == ["W1", "W1", "W2"]
    assert {each["patient"]["family"] for each in told} == {"Åström"}
    assert told_on_its_own_topic(services["delivery"], len(told)) == {"W1": [1, 2], "W2": [1]}
    assert [service.stop() for service in services.values()] == [0, 0, 0, 0]


def told_on_its_own_topic(service: Service, number: int) -> dict[str, list[int]]:
    """Each ward's sequence, as a client that knows nothing of ours reads it."""
    cluster = load(service.config, service.data, service.environment).settings.log.kafka
    assert cluster is not None
    topic = f"{cluster.prefix}told.portal"
    test, *events = [
        json.loads(record.value)
        for record in read_downstream(topic, 1, lambda found: len(found) > number)
    ]
    assert test["type"] == "wardbridge.test.v1", "before the first patient"
    assert sorted(event["subscriptionsequence"] for event in events) == [*range(1, number + 1)]
    assert {event["data"]["patient"]["family"] for event in events} == {"Åström"}
    told = defaultdict(list)
    for event in events:
        told[event["subject"]].append(event["data"]["sequence"])
    return dict(told)


OWN_TOPIC = """
[subscribers.portal]
fields = "identified"
[subscribers.portal.kafka]
"""


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as made:
        yield made


@pytest.fixture
def services(tmp_path: Path, receiver: HttpReceiver) -> Iterator[dict[str, Service]]:
    """Of one installation, by role; each has a folder of its own."""
    first = lab_on_kafka(tmp_path)
    with first.config.open("a", encoding="utf-8") as config:
        config.write(NAMES)
        config.write(SUBSCRIBER.format(name="x", wards="[]", url=receiver.url, fields="identified"))
        config.write(OWN_TOPIC)
    made = {
        role: Service(tmp_path / role, first.config, first.environment)
        for role in ("adapters", "router", "http", "delivery")
    }
    for role, service in made.items():
        service.roles = (role,)
    yield made
    for service in made.values():
        if service.process is not None and service.process.poll() is None:
            service.kill()


def test_an_installation_moves_from_its_file_to_the_cluster(tmp_path: Path) -> None:
    before, after = lab_on_sqlite(tmp_path), lab_on_kafka(tmp_path)
    started(before)
    tell(before, ("A14", "W1"), ("A14", "W2"))
    until_on_list(before, "W2", ["V1"])
    arguments = ("log", "copy", "--config", after.config, "--data", after.data)
    assert "stop that first" in cli(*arguments, environment=after.environment).stderr
    assert before.stop() == 0
    done = cli(*arguments, environment=after.environment)
    assert done.returncode == 0, done.stderr
    assert "observations/0: 2 records, 2 of them copied now; the same on both sides" in done.stdout
    started(after)
    assert visits(after, "W2") == ["V1"]
    with stream(after, "W1", after=1) as events:
        tell(after, ("A14", "W1"), step=2)
        told = kinds(events, 2)
    assert told == [("withdrawn", "redesignated", 2), ("designated", "marked", 3)]
    assert after.stop() == 0
    assert "is in use" in cli(*arguments, environment=after.environment).stderr
