"""SIGKILL while subscribers and streams are told, most of whom misbehave: nothing missed or misordered.

On each engine: on Kafka the queue is read as a member of a group, and committed in transactions.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import Log, TopicPartition
from router.delivery.adt import TOLD
from router.delivery.resources import encounter_id
from schemas import topics
from schemas.delivery import Delivery, Outcome
from schemas.notification import Kind, Notification
from tests.support import lab_receiver as hl7
from tests.support.campaigns import only_in_campaigns
from tests.support.fhir_receiver import number_of, told_of
from tests.support.histories import Histories, Visit, message
from tests.support.lab_receiver import Behaviour as LabBehaviour
from tests.support.lab_receiver import LabReceiver, accepting, closing
from tests.support.labs import lab_on_kafka, lab_on_sqlite, log_of
from tests.support.load import Sender
from tests.support.mllp import MllpClient
from tests.support.receiver import (
    Behaviour,
    Call,
    HttpReceiver,
    answering,
    dripping,
    hanging,
    resetting,
)
from tests.support.replay import everything
from tests.support.service import Service
from tests.support.stream_listener import StreamListener, check_all
from tests.wardbridge.support import command

KILLS = int(os.environ.get("WARDBRIDGE_KILLS", "1"))
NOTICES_BETWEEN_KILLS = 5
SOME_WARDS = ("W1", "W2", "W3")
LISTENED_TO = ("W1", "W1", "W2", "W3", "W4", "W5")
SUBSCRIBER = """
[subscribers.{name}]
wards = {wards}
fields = "{fields}"
[subscribers.{name}.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
timeout_s = 0.5
first_pause_s = 0.01
longest_pause_s = 0.1
"""
NAMES = """
[identities]
keep = true
"""
LAB_SYSTEM = """
[subscribers.lab.mllp]
host = "127.0.0.1"
port = {port}
tls = false
allow_private = true
timeout_s = 0.5
first_pause_s = 0.01
longest_pause_s = 0.1
"""


TOPIC = """
[subscribers.topic.fhir]
url = "{url}"
content = "full-resource"
heartbeat_s = 1
allow_private = true
timeout_s = 0.5
first_pause_s = 0.01
longest_pause_s = 0.1
"""

pytestmark = pytest.mark.timeout(300 + 15 * KILLS)  # each kill is a start on a real broker
Lab = Callable[[Path], Service]


@pytest.fixture(params=[lab_on_sqlite, lab_on_kafka], ids=["sqlite", "kafka"])
def lab(request: pytest.FixtureRequest) -> Lab:
    made: Lab = request.param
    return made


@contextmanager
def telling(
    lab: Lab, folder: Path, good: HttpReceiver, bad: HttpReceiver, *others: str
) -> Iterator[Service]:
    """A lab with its subscribers; ``others``: their tables."""
    service = lab(folder)
    tables = [
        NAMES,
        SUBSCRIBER.format(name="good", wards="[]", url=good.url, fields="identified"),
        SUBSCRIBER.format(name="bad", wards=list(SOME_WARDS), url=bad.url, fields="minimal"),
        *others,
    ]
    with service.config.open("a", encoding="utf-8") as config:
        config.write("".join(tables))
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.kill()


@pytest.mark.parametrize(
    "lab",
    [
        pytest.param(lab_on_sqlite, id="sqlite"),
        pytest.param(lab_on_kafka, id="kafka", marks=only_in_campaigns),
    ],
)
def test_every_notice_reaches_every_subscriber_in_its_wards_order(lab: Lab, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    stopping = threading.Event()
    with (
        HttpReceiver() as good,
        HttpReceiver(_misbehaving(chance)) as bad,
        LabReceiver(_lab_misbehaving(chance)) as lab_system,
        HttpReceiver(_misbehaving(chance)) as fhir,
        ExitStack() as stack,  # its listeners read until the service ends
        telling(
            lab,
            tmp_path,
            good,
            bad,
            LAB_SYSTEM.format(port=lab_system.port),
            TOPIC.format(url=fhir.url),
        ) as service,
    ):
        sender = Sender(service.mllp_port, Histories(seed, "v"), stopping)
        thread = threading.Thread(target=sender.run)
        service.start()
        service.wait_until_ready()
        thread.start()
        listeners = [
            stack.enter_context(StreamListener(service.url, ward, seed + number))
            for number, ward in enumerate(LISTENED_TO)
        ]
        _kill_at_random(service, bad, chance)
        stopping.set()
        thread.join()
        assert sender.failure is None
        _wait_until_told(service)
        told = _told(service)
        for listener in listeners:
            listener.wait_for(sum(notice.data.ward == listener.ward for notice in told))
            listener.stop_soon()
        assert service.stop() == 0
        print(
            f"\nseed {seed}: {KILLS} kills, {len(told)} notices; "
            f"{len(good.calls)} calls for {_distinct(good)}, {len(bad.calls)} for {_distinct(bad)}, "
            f"{len(lab_system.calls)} HL7 messages for "
            f"{len({heard.sequence for heard in lab_system.taken})}, "
            f"{len(fhir.calls)} FHIR notifications; "
            f"{len(good.taken) - _distinct(good)} taken more than once by the good one"
        )
        _check(service, "good", good, told)
        check_all(listeners, told)
        _check_who(good, bad)
        _check(service, "bad", bad, [n for n in told if n.data.ward in SOME_WARDS])
        assert len(bad.calls) > len(bad.taken)
        _check_lab(service, lab_system, [n for n in told if n.data.kind in TOLD])
        assert len(lab_system.calls) > len(lab_system.taken)
        _check_fhir(service, fhir, told)
        assert len(fhir.calls) > len(fhir.taken)


def test_a_notice_that_has_ended_is_sent_again_on_demand(tmp_path: Path) -> None:
    with (
        HttpReceiver() as receiver,
        telling(lab_on_sqlite, tmp_path, receiver, receiver) as service,
    ):
        service.start()
        service.wait_until_ready()
        with MllpClient(service.mllp_port) as client:
            client.ask(message(Visit("v1", datetime.now(UTC)), "A14", "c1", ward="W8"))
        _wait_until_told(service)
        asked = ("deliveries", "resend", "good")
        where = ("--config", service.config, "--data", service.data)
        offset = ("--port-offset", str(service.offset))

        def resend(*arguments: str) -> subprocess.CompletedProcess[str]:
            return command(*arguments, *where, *offset, environment=service.environment)

        assert resend(*asked, "1").returncode == 0
        receiver.wait_for(lambda receiver: len(receiver.taken) == 2)
        first, again = receiver.taken
        assert (first.body, first.headers["webhook-id"]) == (
            again.body,
            again.headers["webhook-id"],
        )
        unknown = resend(*asked, "2")
        assert (unknown.returncode, "no delivery 2 to 'good'" in unknown.stderr) == (2, True)
        assert "no subscriber 'bda'" in resend(*asked[:2], "bda", "1").stderr
        assert service.stop() == 0
        assert "the service must be running" in resend(*asked, "1").stderr


def test_what_a_person_asks_is_carried_out_and_kept(lab: Lab, tmp_path: Path) -> None:
    """A test event, a notice that is skipped, a pause and its end; and names that do not exist."""

    def behave(call: Call) -> Behaviour:
        return answering(500 if call.event.get("subscriptionsequence") == 1 else 204)

    with (
        HttpReceiver(behave) as receiver,
        HttpReceiver() as other,
        telling(lab, tmp_path, receiver, other) as service,
    ):
        service.start()
        service.wait_until_ready()

        def ask(what: str, *rest: str) -> subprocess.CompletedProcess[str]:
            where = ("--config", service.config, "--data", service.data)
            offset = ("--port-offset", str(service.offset))
            return command(
                "deliveries", what, *rest, *where, *offset, environment=service.environment
            )

        receiver.wait_for(lambda receiver: len(receiver.tests) == 1)
        assert "taken in" in _when_it_can(lambda: ask("test", "good")).stdout
        assert len(receiver.tests) == 2, "one before the first patient, one on demand"
        with MllpClient(service.mllp_port) as client:
            for number in (1, 2):
                mark = message(Visit(f"v{number}", datetime.now(UTC)), "A14", "c1", ward="W8")
                client.ask(mark)
            receiver.wait_for(lambda receiver: len(receiver.calls) > 3)
            (waits,) = _waiting(ask("list", "--waiting", "--subscriber", "good"))
            assert (waits["subscriber"], waits["ward"], waits["sequence"], waits["waiting"]) == (
                "good", "W8", 1, 2,
            )  # fmt: skip
            assert (waits["answer"], waits["attempts"] >= 1) == ("answered 500", True)
            assert "is not being tried" in ask("skip", "good", "7", "--reason", "typo").stderr
            _when_it_can(lambda: ask("skip", "good", "1", "--reason", "unreadable, says Eva"))
            receiver.wait_for(lambda receiver: len(receiver.taken) == 1)
            assert ask("pause", "good", "--reason", "they move house").returncode == 0
            client.ask(message(Visit("v3", datetime.now(UTC)), "A14", "c1", ward="W8"))
            _until_paused(service)
            (waits,) = _waiting(ask("list", "--waiting", "--subscriber", "good"))
            assert waits["trouble"] == "paused by hand: they move house"
        assert ask("resume", "good").returncode == 0
        receiver.wait_for(lambda receiver: len(receiver.taken) == 2)
        assert "no subscriber 'bda'" in ask("pause", "bda", "--reason", "x").stderr
        _wait_until_told(service)
        assert service.stop() == 0
        told = [(d.sequence, d.outcome, d.reason) for d in _listed(service, "--subscriber", "good")]
        assert told == [
            (1, Outcome.SKIPPED, "unreadable, says Eva"),
            (2, Outcome.DELIVERED, None),
            (3, Outcome.DELIVERED, None),
        ]
        where = ("--config", service.config, "--data", service.data)
        unknown = command(
            "deliveries", "list", "--subscriber", "god", *where, environment=service.environment
        )
        assert unknown.returncode == 2
        assert "there is no subscriber 'god'; there is bad, good" in unknown.stderr


@retry(
    retry=retry_if_exception_type(AssertionError),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(180),
    reraise=True,
)
def _when_it_can(
    ask: Callable[[], subprocess.CompletedProcess[str]],
) -> subprocess.CompletedProcess[str]:
    answer = ask()
    assert answer.returncode == 0, answer.stderr
    return answer


def _waiting(found: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


@retry(
    retry=retry_if_exception_type(AssertionError),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(180),
    reraise=True,
)
def _until_paused(service: Service) -> None:
    subscribers = httpx.get(f"{service.url}/health").json()["subscribers"]
    troubles = {each["name"]: each["trouble"] for each in subscribers}
    assert troubles["good"] == "paused by hand: they move house"


def _misbehaving(chance: random.Random) -> Callable[[Call], Behaviour]:
    """The first call is refused, so that a short run too has a refusal; the others are as it comes."""
    refusals = (answering(500), answering(429, Retry_After="0"), resetting)
    first = iter([answering(503)])

    def misbehaviour(_: Call) -> Behaviour:
        if chance.random() < 0.6:
            return next(first, answering(204))
        return next(
            first, chance.choice((hanging, dripping) if chance.random() < 0.1 else refusals)
        )

    return misbehaviour


def _lab_misbehaving(chance: random.Random) -> Callable[[object], LabBehaviour]:
    refusals = (hl7.answering("AE"), hl7.resetting, hl7.mistaking_first, hl7.flooding)
    slow = (hl7.hanging, hl7.dripping, hl7.mistaking, hl7.garbling)
    first = iter([hl7.answering("AE")])

    def misbehaviour(_: object) -> LabBehaviour:
        if chance.random() < 0.6:
            return next(first, chance.choice((accepting, closing)))
        return next(first, chance.choice(slow if chance.random() < 0.1 else refusals))

    return misbehaviour


def _kill_at_random(service: Service, receiver: HttpReceiver, chance: random.Random) -> None:
    """At a random moment of telling, each time after some more has been told."""
    pause = threading.Event()
    for _ in range(KILLS):
        more = len(receiver.taken) + chance.randint(1, NOTICES_BETWEEN_KILLS)
        receiver.wait_for(lambda receiver, more=more: len(receiver.taken) >= more)  # type: ignore[misc]
        pause.wait(chance.uniform(0, 0.05))
        service.kill()
        service.start()
        service.wait_until_ready()


def _wait_until_told(service: Service) -> None:
    with log_of(service) as log:
        _until_nothing_waits(log)


@retry(
    retry=retry_if_exception_type(AssertionError),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(180),
    reraise=True,
)
def _until_nothing_waits(log: Log) -> None:
    for group, topic in (("router", topics.OBSERVATIONS), ("fan-out", topics.DESIGNATIONS)):
        assert log.committed(group).get(TopicPartition(topic, 0)) == log.ends(topic)[0]
    assert len(list(everything(log, topics.OUTGOING))) == len(
        list(everything(log, topics.DELIVERIES))
    )


def _told(service: Service) -> list[Notification]:
    with log_of(service) as log:
        stored = everything(log, topics.DESIGNATIONS)
        return [Notification.model_validate_json(each.value or b"") for each in stored]


def _check(
    service: Service, subscriber: str, receiver: HttpReceiver, told: list[Notification]
) -> None:
    by_number = {call.sequence: call.event["id"] for call in receiver.taken}
    assert [by_number[number] for number in sorted(by_number)] == [notice.id for notice in told]
    assert sorted(by_number) == list(range(1, len(told) + 1))
    assert all(call.event["id"] == by_number[call.sequence] for call in receiver.calls)
    for ward in {notice.data.ward for notice in told}:
        first = _first_times([c for c in receiver.taken if c.event["subject"] == ward])
        assert first == sorted(first)
    own = _listed(service, "--subscriber", subscriber)
    assert sorted(each.sequence for each in own) == sorted(by_number), "one receipt for each"
    assert {each.outcome for each in own} == {Outcome.DELIVERED}
    assert _listed(service, "--subscriber", subscriber, "--parked") == []
    visit = told[0].data.visit.visit
    about = _listed(service, "--subscriber", subscriber, "--visit", visit)
    of_visit = {n.id for n in told if n.data.visit.visit == visit}
    assert {each.event for each in about} == of_visit


def _check_who(identified: HttpReceiver, minimal: HttpReceiver) -> None:
    """Always known, and never anybody else, whatever was killed meanwhile; nobody's name for the others."""
    for call in identified.calls:
        data = call.event["data"]
        assert data["patient"]["number"] == f"P{data['visit']['visit']}"
        assert data["patient"]["family"] == "Åström"
    assert not any("patient" in call.event["data"] for call in minimal.calls)


def _check_lab(service: Service, receiver: LabReceiver, told: list[Notification]) -> None:
    """Each ward's notices, and each visit's, keep their order, and all their control ids."""
    by_number = {heard.sequence: heard for heard in receiver.taken}
    assert sorted(by_number) == list(range(1, len(told) + 1))
    for of in ("ward", "visit"):
        for name in {getattr(heard, of) for heard in receiver.taken}:
            own = [h.sequence for h in receiver.taken if getattr(h, of) == name]
            assert list(dict.fromkeys(own)) == sorted(set(own)), (of, name)
    heard_of = [by_number[n] for n in sorted(by_number)]
    assert [(heard.ward, heard.visit) for heard in heard_of] == [
        (notice.data.ward, notice.data.visit.visit) for notice in told
    ]
    assert [heard.trigger.split("^")[1] for heard in heard_of] == [
        "A27" if notice.data.kind is Kind.WITHDRAWN else "A14" for notice in told
    ]
    assert all(each.payload == by_number[each.sequence].payload for each in receiver.calls)
    listed = _listed(service, "--subscriber", "lab")
    assert sorted(each.sequence for each in listed) == sorted(by_number)


def _check_fhir(service: Service, receiver: HttpReceiver, told: list[Notification]) -> None:
    """Greeted first; then every event by its number, each ward's in order, the same whenever it is repeated."""
    assert told_of(receiver.calls[0].event)["type"] == "handshake"
    events = [c for c in receiver.taken if told_of(c.event)["type"] == "event-notification"]
    by_number = {number_of(call.event): call.event for call in events}
    assert sorted(by_number) == list(range(1, len(told) + 1))
    for ward in {notice.data.ward for notice in told}:
        own = [number_of(c.event) for c in events if told[number_of(c.event) - 1].subject == ward]
        assert list(dict.fromkeys(own)) == sorted(set(own)), ward
    encounters = [by_number[number]["entry"][1]["resource"] for number in sorted(by_number)]
    assert [each["id"] for each in encounters] == [
        encounter_id(notice.data.visit, notice.data.ward) for notice in told
    ]
    assert all(call.event == by_number[number_of(call.event)] for call in events)
    listed = _listed(service, "--subscriber", "topic")
    assert sorted(each.sequence for each in listed) == sorted(by_number)


def _listed(service: Service, *options: str) -> list[Delivery]:
    where = ("--config", service.config, "--data", service.data)
    found = command("deliveries", "list", *options, *where, environment=service.environment)
    assert found.returncode == 0, found.stderr
    return [Delivery.model_validate_json(line) for line in found.stdout.splitlines()]


def _first_times(calls: list[Call]) -> list[int]:
    return list(dict.fromkeys(call.sequence for call in calls))


def _distinct(receiver: HttpReceiver) -> int:
    return len({call.sequence for call in receiver.taken})
