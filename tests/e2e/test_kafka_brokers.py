"""Three brokers, two of which must have what is acknowledged: each in turn is killed amid a transaction.

The one that coordinates the router's transactions, the one that leads the notices' partition, and
then another, also before the last one has caught up. Settings are those of production: a broker's
death is noticed after nine seconds, and some come back before. What the brokers say of the router's
transaction at the moment of each kill is printed with the counts.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_none

from bus.kafka import KafkaSettings
from kafka_dev import KafkaDev
from router.core.step import GROUP
from schemas import topics
from tests.e2e.test_kafka_faults import ENDED, until_acknowledged, until_ready
from tests.support.campaigns import only_in_campaigns
from tests.support.labs import lab_on_three_brokers
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service
from wardbridge.config.load import load as load_config
from wardbridge.logstore.kafka import kafka_settings

KILLS = int(os.environ.get("WARDBRIDGE_FAULTS", "1"))
AWAY_S = (0.2, 14.0 if KILLS > 1 else 3.0)
OPEN = {"Ongoing", "PrepareCommit"}

pytestmark = [pytest.mark.timeout(300 + 60 * KILLS), only_in_campaigns]


class Moment(NamedTuple):
    """The router's open transaction, and who has to do with it."""

    state: str
    coordinator: int
    leader: int


Choice = Callable[[Moment], int]


def the_coordinator(moment: Moment) -> int:
    return moment.coordinator


def the_leader(moment: Moment) -> int:
    return moment.leader


def neither(moment: Moment) -> int:
    return next(n for n in range(3) if n not in {moment.coordinator, moment.leader})


@pytest.fixture
def brokers() -> Iterator[KafkaDev]:
    with KafkaDev(3) as cluster:
        yield cluster


@pytest.fixture
def service(tmp_path: Path, brokers: KafkaDev) -> Iterator[Service]:
    made = lab_on_three_brokers(tmp_path, brokers.addresses)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_whichever_broker_is_killed_amid_a_transaction_nothing_is_lost_or_doubled(
    service: Service, brokers: KafkaDev
) -> None:
    seed = random.randrange(2**32)
    chance, pause = random.Random(seed), threading.Event()
    states: Counter[str] = Counter()
    service.start()
    service.wait_until_ready()
    with Load(service, seed) as load:
        for choice in islice(cycle((the_coordinator, the_leader, neither)), KILLS):
            until_acknowledged(load, len(load.acknowledged()) + 20)
            states[f"{choice.__name__} at {_killed(service, brokers, choice)}"] += 1
            pause.wait(chance.uniform(*AWAY_S))
            for broker in brokers.brokers:
                if not broker.running():
                    broker.start()
            brokers.wait_until_ready()
        until_acknowledged(load, len(load.acknowledged()) + 20)
    until_ready(service)
    what = (
        f"seed {seed}, {KILLS} brokers killed, {dict(states)}, "
        f"{load.refusals()} refused, {service.said().count(ENDED)} ended"
    )
    check_that_nothing_is_lost_or_doubled(load, what)


@retry(
    retry=retry_if_exception_type((KafkaError, StopIteration)), wait=wait_none(),
    stop=stop_after_delay(180), reraise=True,
)  # fmt: skip
def _killed(service: Service, brokers: KafkaDev, choice: Choice) -> str:
    """Kill the broker as soon as the router has a transaction open; the transaction's state."""
    settings = _settings(service)
    with closing(KafkaAdminClient(bootstrap_servers=brokers.addresses)) as admin:
        while (moment := _moment(admin, settings)).state not in OPEN:
            pass
    brokers.brokers[choice(moment)].kill()
    return moment.state


def _moment(admin: KafkaAdminClient, settings: KafkaSettings) -> Moment:
    name, notices = settings.transactional_id(GROUP), settings.topic(topics.DESIGNATIONS)
    (described,) = admin.describe_topics([notices])
    transaction = admin.describe_transactions([name])[name]
    leader = described["partitions"][0]["leader_id"]
    return Moment(transaction.state.value, transaction.coordinator_id, leader)


def _settings(service: Service) -> KafkaSettings:
    section = load_config(service.config, service.data, service.environment).settings.log
    assert section.kafka is not None
    return kafka_settings(section.kafka, section.partitions, service.data)
