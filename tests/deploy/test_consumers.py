"""The example consumers, each run as its users run it, against a real broker.

The topic holds what a consumer meets: notices in both modes, one twice, one number missing, and a
notice of a transaction that was given up, which nobody may see.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import TopicPartition
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka import KafkaLog, KafkaSettings
from bus.port import Record
from schemas.base import VisitRef
from schemas.notification import DesignationData, Kind, Notification, Reason
from schemas.topics import DESIGNATIONS, TOPICS
from tests.packaging.project import ROOT
from tests.support import runtimes
from tests.support.kafka import brokers

EXAMPLES = ROOT / "deploy" / "examples" / "consumers"
WITHIN_S = 90
TERMINATED = 128 + signal.SIGTERM
HANDLED = [("n1", "W1", 1), ("n2", "W1", 2), ("n4", "W1", 4), ("o1", "ÖNH/1", 1)]
NOTED_AT_FIRST = ["repeated n2", "gap W1: 4 instead of 3"]
NOTED_AGAIN = ["repeated n1", "repeated n2", "repeated n2", "repeated n4", "repeated o1"]


class Example(NamedTuple):
    """How one is started in a folder of its own, and how it ends when told to."""

    command: Callable[[Path], Sequence[str]]
    exit_code: int


def python(folder: Path) -> Sequence[str]:
    del folder
    return [sys.executable, str(EXAMPLES / "python" / "notices.py")]


def java(folder: Path) -> Sequence[str]:
    del folder
    source = EXAMPLES / "java" / "Notices.java"
    return ["java", "-cp", f"{runtimes.jars(source.parent)}/*", str(source)]


def node(folder: Path) -> Sequence[str]:
    project = EXAMPLES / "node"
    for name in ("notices.js", "package.json"):
        shutil.copy(project / name, folder)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(runtimes.modules(project))
    return ["node", str(folder / "notices.js")]


RUNS = {"python": Example(python, 0), "java": Example(java, TERMINATED), "node": Example(node, 0)}


def notice(name: str, ward: str, sequence: int) -> Record:
    now = datetime(2026, 1, 15, 6, 15, tzinfo=UTC)
    data = DesignationData(
        kind=Kind.DESIGNATED, reason=Reason.MARKED, realm="region", ward=ward, hospital=None,
        visit=VisitRef(source="ehr", visit=name), version=1, sequence=sequence, announced_at=now,
    )  # fmt: skip
    event = Notification(
        id=name, source="/wardbridge/region", type="wardbridge.designation.designated.v1",
        subject=ward, time=now, data=data,
    )  # fmt: skip
    return Record(DESIGNATIONS, ward, ward, event.model_dump_json().encode())


@pytest.fixture(scope="module")
def topic() -> str:
    settings = KafkaSettings(
        tuple(brokers()), f"t{uuid.uuid4().hex[:8]}.", replication=1, min_insync=1
    )
    write(settings, notice("n1", "W1", 1))
    write(replace(settings, cloudevents="binary"), notice("n2", "W1", 2))
    give_up(settings, notice("ghost", "W1", 3))
    write(settings, notice("n2", "W1", 2), notice("n4", "W1", 4))
    write(replace(settings, cloudevents="binary"), notice("o1", "ÖNH/1", 1))
    return settings.topic(DESIGNATIONS)


def write(settings: KafkaSettings, *records: Record) -> None:
    """As the router does: in a transaction."""
    log = KafkaLog(settings, [each for each in TOPICS if each.name == DESIGNATIONS])
    log.commit("router", {}, records)
    log.close()


def give_up(settings: KafkaSettings, record: Record) -> None:
    producer = KafkaProducer(bootstrap_servers=brokers(), transactional_id=f"{settings.prefix}x")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(settings.topic(DESIGNATIONS), record.value, partition=0).get(WITHIN_S)
    producer.abort_transaction()
    producer.close()


class Running:
    """A consumer at work in its folder, and what it notes on standard error."""

    def __init__(self, command: Sequence[str], folder: Path, topic: str) -> None:
        self.group = f"g{uuid.uuid4().hex[:8]}"
        self.handled = folder / "handled.jsonl"
        self.noted: list[str] = []
        variables = {"KAFKA_BROKERS": ",".join(brokers()), "TOPIC": topic, "GROUP": self.group}
        self._process = subprocess.Popen(
            [*command, str(self.handled)], cwd=folder, env=os.environ | variables,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self.noted += (line.rstrip() for line in lines)

    def position(self) -> int:
        with closing(KafkaAdminClient(bootstrap_servers=brokers())) as admin:
            groups = admin.list_group_offsets([self.group])
        return max((at.offset for at in groups[self.group].values()), default=0)

    @retry(
        stop=stop_after_delay(WITHIN_S), wait=wait_fixed(0.1),
        retry=retry_if_exception_type((AssertionError, KafkaError)), reraise=True,
    )  # fmt: skip
    def wait_until_committed(self, end: int) -> None:
        assert self._process.poll() is None, "it ended by itself"
        assert self.position() >= end

    def end(self, number: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(WITHIN_S)
        self._listener.join()
        return code

    def noted_of_notices(self) -> list[str]:
        return [line for line in self.noted if line.startswith(("repeated", "gap"))]


def last_position(topic: str) -> int:
    """After the last notice; the marker that ends its transaction comes behind it."""
    at = TopicPartition(topic, 0)
    with closing(KafkaAdminClient(bootstrap_servers=brokers())) as admin:
        return int(admin.list_partition_offsets({at: -1})[at].offset) - 1


@pytest.fixture
def start(tmp_path: Path, topic: str) -> Iterator[Callable[[Example], Running]]:
    started: list[Running] = []

    def begin(example: Example) -> Running:
        started.append(Running(example.command(tmp_path), tmp_path, topic))
        return started[-1]

    yield begin
    for running in started:
        running.end(signal.SIGKILL)


@pytest.mark.parametrize("example", RUNS.values(), ids=RUNS)
def test_each_notice_is_handled_once_and_a_gap_is_seen(
    example: Example, start: Callable[[Example], Running], topic: str
) -> None:
    first = start(example)
    first.wait_until_committed(last_position(topic))
    assert first.end(signal.SIGTERM) == example.exit_code
    done = first.handled.read_bytes()
    lines = [json.loads(line) for line in done.splitlines()]
    assert [(each["id"], each["ward"], each["sequence"]) for each in lines] == HANDLED
    assert first.noted_of_notices() == NOTED_AT_FIRST

    # All comes again, as after a crash before the commit; the crash also cut a line short.
    first.handled.write_bytes(done + b'{"id": "cut sh')
    again = start(example)
    again.wait_until_committed(last_position(topic))
    again.end(signal.SIGTERM)
    assert again.noted_of_notices() == NOTED_AGAIN
    assert again.handled.read_bytes() == done
