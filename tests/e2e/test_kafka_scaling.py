"""Four realms over any number of routers, adapters and delivery processes: told as by one of each.

Each process is a service of its own. What they reach together is printed; the senders, the brokers
and all processes share one machine, so that more processes cannot show more than its cores do.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, product
from pathlib import Path
from typing import Final
from zlib import crc32

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import Log, TopicPartition
from schemas import topics
from schemas.notification import DesignationData, Notification
from tests.support.campaigns import only_in_campaigns
from tests.support.histories import Histories
from tests.support.labs import lab_on_kafka, log_of
from tests.support.load import Sender
from tests.support.receiver import HttpReceiver
from tests.support.replay import everything, replayed_notifications
from tests.support.service import MLLP_PORT, Service

LONG: Final = "WARDBRIDGE_FAULTS" in os.environ
OF_EACH: Final[Sequence[int]] = (1, 2, 4) if LONG else (2,)
SECONDS: Final = 20.0 if LONG else 3.0
PARTITIONS: Final = 4
ROLES: Final = ("adapters", "router", "delivery")
WARDS_OF_A_REALM: Final = 4
SENDERS_OF_A_REALM: Final = 2

CONFIG: Final = """
[log]
engine = "kafka"
partitions = {partitions}

[log.kafka]
brokers = "${{KAFKA_BROKERS}}"
prefix = "{prefix}"
instance = "${{WARDBRIDGE_INSTANCE}}"
replication = 1
min_insync = 1

[sources.ehr]

[wards]
open = true

[http]
port = 8080

[subscribers.all]
[subscribers.all.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""
REALM: Final = """
[realms.{realm}]

[authority.{realm}]
default = "ehr"

[feeds.{realm}]
kind = "hl7v2-mllp"
source = "ehr"
realm = "{realm}"
host = "127.0.0.1"
port = {port}
"""

pytestmark = [pytest.mark.timeout(300 + 10 * SECONDS), only_in_campaigns]


def realms() -> list[str]:
    """Names that lie in partitions of their own."""
    by_partition: dict[int, str] = {}
    for number in count():
        name = f"realm{number}"
        by_partition.setdefault(crc32(name.encode()) % PARTITIONS, name)
        if len(by_partition) == PARTITIONS:
            return [by_partition[partition] for partition in range(PARTITIONS)]
    raise AssertionError


@contextmanager
def installation(folder: Path, of_each: int, url: str) -> Iterator[dict[str, list[Service]]]:
    """So many processes of each role, at work."""
    first = lab_on_kafka(folder)
    parts = [REALM.format(realm=name, port=MLLP_PORT + n) for n, name in enumerate(realms())]
    prefix = f"t{random.randrange(2**32):x}."
    text = CONFIG.format(partitions=PARTITIONS, prefix=prefix, url=url) + "".join(parts)
    first.config.write_text(text, encoding="utf-8")
    with ExitStack() as stack:
        made = {role: [_service(first, role, n) for n in range(of_each)] for role in ROLES}
        for service in (each for role in ROLES for each in made[role]):
            stack.callback(_end, service)
            service.start()
            service.wait_until_ready()
        yield made


def _service(first: Service, role: str, number: int) -> Service:
    environment = {**first.environment, "WARDBRIDGE_INSTANCE": f"{role}{number}"}
    # One folder of an installation holds its secret; nothing else is kept there on Kafka.
    made = Service(first.data.parent / "shared", first.config, environment)
    made.roles = (role,)
    return made


def _end(service: Service) -> None:
    if service.process is not None and service.process.poll() is None:
        service.kill()


@pytest.mark.parametrize("of_each", OF_EACH)
def test_realms_are_told_alike_however_many_share_the_work(tmp_path: Path, of_each: int) -> None:
    seed = random.randrange(2**32)
    with HttpReceiver() as receiver, installation(tmp_path, of_each, receiver.url) as services:
        senders, stopping = _senders(services["adapters"], seed)
        threads = [threading.Thread(target=sender.run) for sender in senders]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        stopping.wait(SECONDS)
        stopping.set()
        for thread in threads:
            thread.join()
        sent_s = time.monotonic() - began
        assert [sender.failure for sender in senders if sender.failure] == []
        with log_of(services["router"][0]) as log:
            _until_decided(log)
            decided_s = time.monotonic() - began
            told = _told(log)
            _until_told(log, sum(map(len, told.values())))
            delivered_s = time.monotonic() - began
            _check(log, told, senders)
        _check_delivered(receiver, told)
        assert {role: [each.stop() for each in services[role]] for role in ROLES} == {
            role: [0] * of_each for role in ROLES
        }
    acknowledged, notices = sum(len(s.acknowledged) for s in senders), sum(map(len, told.values()))
    print(
        f"\nseed {seed}, {of_each} of each role: {acknowledged} acknowledged, "
        f"{acknowledged / sent_s:.0f}/s; {notices} notices, all decided after {decided_s:.1f} s, "
        f"{notices / decided_s:.0f}/s, all delivered after {delivered_s:.1f} s, "
        f"{len(receiver.calls)} calls for {notices}"
    )


def _senders(adapters: Sequence[Service], seed: int) -> tuple[list[Sender], threading.Event]:
    stopping = threading.Event()
    made = []
    for number, (realm, one) in enumerate(product(range(PARTITIONS), range(SENDERS_OF_A_REALM))):
        port = adapters[number % len(adapters)].mllp_port + realm
        wards = [f"R{realm}W{ward}" for ward in range(WARDS_OF_A_REALM)]
        histories = Histories(seed + number, f"r{realm}v{one}", wards=wards)
        made.append(Sender(port, histories, stopping, pause_s=0.0))
    return made, stopping


soon = retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05),
    stop=stop_after_delay(180), reraise=True,
)  # fmt: skip


@soon
def _until_decided(log: Log) -> None:
    committed = log.committed("router")
    for partition, end in log.ends(topics.OBSERVATIONS).items():
        assert committed.get(TopicPartition(topics.OBSERVATIONS, partition)) == end > 0


@soon
def _until_told(log: Log, notices: int) -> None:
    partition = log.partition_of(topics.DELIVERIES, "all")
    assert len(list(everything(log, topics.DELIVERIES, partition))) == notices


def _told(log: Log) -> dict[str, list[Notification]]:
    return _by_ward(
        Notification.model_validate_json(stored.value or b"")
        for partition in range(PARTITIONS)
        for stored in everything(log, topics.DESIGNATIONS, partition)
    )


def _by_ward(notices: Iterator[Notification]) -> dict[str, list[Notification]]:
    wards: dict[str, list[Notification]] = defaultdict(list)
    for notice in notices:
        wards[notice.data.ward].append(notice)
    return dict(wards)


def _check(log: Log, told: dict[str, list[Notification]], senders: Sequence[Sender]) -> None:
    replayed = _by_ward(
        notice
        for partition in range(PARTITIONS)
        for notice in replayed_notifications(log, partition)
    )
    assert told == replayed
    assert len(told) == PARTITIONS * WARDS_OF_A_REALM
    for notices in told.values():
        assert [notice.data.sequence for notice in notices] == list(range(1, len(notices) + 1))
    rows = [
        DesignationData.model_validate_json(stored.value or b"")
        for partition in range(PARTITIONS)
        for stored in log.load(TopicPartition(topics.INBOUND, partition))
    ]
    meant = {truth for sender in senders for truth in sender.histories.open_designations()}
    assert {(row.ward, row.visit.visit) for row in rows} == meant


def _check_delivered(receiver: HttpReceiver, told: dict[str, list[Notification]]) -> None:
    """Each at least once, under one number, in the order of its ward, and no number is missing."""
    by_number = {call.sequence: call.event["id"] for call in receiver.taken}
    assert sorted(by_number) == list(range(1, len(by_number) + 1))
    assert all(by_number[call.sequence] == call.event["id"] for call in receiver.calls)
    for ward, notices in told.items():
        first = dict.fromkeys(c.event["id"] for c in receiver.taken if c.event["subject"] == ward)
        assert list(first) == [notice.id for notice in notices]
