"""A log on a cluster says its format before anything else, and one of another format is refused."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

import pytest
from kafka.admin import KafkaAdminClient

from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.format import KEY
from bus.kafka.topics import ensure
from bus.port import LogError, Record
from schemas.topics import FORMAT, LOG_VERSION, RAW, STATE, TOPICS
from tests.bus.engines import one_broker
from tests.support.kafka import brokers

TABLE: Final = [topic for topic in TOPICS if topic.name in {FORMAT, RAW, STATE}]
WITHOUT_FORMAT: Final = [topic for topic in TABLE if topic.name != FORMAT]
OLDER: Final = r"older wardbridge .*another prefix"


@pytest.fixture
def settings() -> KafkaSettings:
    return one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=2)


def said(log: KafkaLog) -> list[bytes | None]:
    return [stored.value for number in range(2) for stored in log.load(log._places(FORMAT)[number])]


def open_twice_at_once(settings: KafkaSettings) -> list[KafkaLog]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda _: KafkaLog(settings, TABLE), range(2)))


def test_a_new_log_says_its_format_and_opens_again(settings: KafkaSettings) -> None:
    for log in open_twice_at_once(settings):
        with closing(log):
            log.append([Record(RAW, "r", "k", b"in")])
    with closing(KafkaLog(settings, TABLE, may_make=False)) as log:
        assert said(log) == [str(LOG_VERSION).encode()]


def test_one_that_others_made_and_nobody_wrote_to_is_new(settings: KafkaSettings) -> None:
    KafkaLog(settings, WITHOUT_FORMAT).close()
    with closing(KafkaLog(settings, TABLE)) as log:
        assert said(log) == [str(LOG_VERSION).encode()]


@pytest.mark.parametrize("topic", [RAW, STATE])
def test_one_with_records_and_without_a_format_is_older(
    settings: KafkaSettings, topic: str
) -> None:
    with closing(KafkaLog(settings, WITHOUT_FORMAT)) as log:
        log.append([Record(topic, "r", "k", b"in")])
    for may_make in (True, True, False):  # and stays so
        with pytest.raises(LogError, match=OLDER):
            KafkaLog(settings, TABLE, may_make=may_make)


@pytest.mark.parametrize(
    ("version", "told"),
    [(LOG_VERSION - 1, OLDER), (LOG_VERSION + 1, "newer wardbridge")],
    ids=["older", "newer"],
)
def test_another_format_is_refused(settings: KafkaSettings, version: int, told: str) -> None:
    with closing(KafkaLog(settings, TABLE)) as log:
        log.append([Record(FORMAT, KEY, KEY, str(version).encode())])
    with pytest.raises(LogError, match=told):
        KafkaLog(settings, TABLE)


def test_who_only_reads_a_new_log_writes_nothing(settings: KafkaSettings) -> None:
    admin = KafkaAdminClient(bootstrap_servers=brokers())
    with closing(admin):
        ensure(admin, settings, TABLE)
    with closing(KafkaLog(settings, TABLE, may_make=False)) as log:
        assert said(log) == []
