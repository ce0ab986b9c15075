"""The kcat lines of the documentation that end by themselves, run as they stand."""

import os
import re
import subprocess
import uuid

import pytest

from bus.kafka import KafkaLog, KafkaSettings
from bus.port import Record
from schemas.topics import DESIGNATIONS, TOPICS
from tests.packaging.project import ROOT
from tests.support.kafka import brokers
from tests.support.runtimes import need

SHOWN = "wardbridge."
LINES = re.findall(
    r"^kcat -[CQ] .*$", (ROOT / "docs" / "subscribing.md").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture(scope="module")
def prefix() -> str:
    settings = KafkaSettings(
        tuple(brokers()), f"t{uuid.uuid4().hex[:8]}.", replication=1, min_insync=1
    )
    log = KafkaLog(settings, [each for each in TOPICS if each.name == DESIGNATIONS])
    log.append([Record(DESIGNATIONS, "W1", "W1", b'{"id":"n%d"}' % n) for n in (1, 2)])
    log.close()
    return settings.prefix


def said_by(line: str, prefix: str) -> list[str]:
    need("kcat")
    ran = subprocess.run(
        ["/bin/sh", "-c", line.replace(SHOWN, prefix)],
        env=os.environ | {"KAFKA_BROKERS": ",".join(brokers())},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_the_lines_show_what_the_page_says(prefix: str) -> None:
    notices, headers, end = (said_by(line, prefix) for line in LINES)
    assert notices == ['W1 {"id":"n1"}', 'W1 {"id":"n2"}']
    (newest,) = headers
    assert newest.startswith("content-type=application/cloudevents+json")
    assert "schema-id=urn:wardbridge:notification:1" in newest
    assert end == [f"{prefix}{DESIGNATIONS} [0] offset 2"]
