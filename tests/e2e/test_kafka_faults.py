"""What stands still and what is gone, again and again under load: nothing lost, nothing doubled.

A broker that is stopped keeps its connections and answers nothing; one that is killed comes back
with what it had stored; and the service's own processes may stand still for longer than brokers wait
for a transaction, as on a virtual machine that is moved. Appends and commits fail by themselves then
and are tried again; a process that hangs all the same, or was taken for gone, ends and is started
again by the service.
"""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.kafka import cluster
from tests.support.labs import lab_on_kafka
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service

FAULTS = int(os.environ.get("WARDBRIDGE_FAULTS", "1"))
COMMIT_TIMEOUT_S, TRANSACTION_TIMEOUT_S, AWAY_S = 2.5, 4, 6
ENDED = '"event": "process_ended"'
Wait = Callable[[float], object]


soon = retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05),
    stop=stop_after_delay(120), reraise=True,
)  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = lab_on_kafka(
        tmp_path, f"commit_timeout_s = {COMMIT_TIMEOUT_S}",
        f"transaction_timeout_s = {TRANSACTION_TIMEOUT_S}", "delivery_timeout_s = 3",
    )  # fmt: skip
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def the_broker_stands_still(_: Service, wait: Wait) -> None:
    broker = cluster().brokers[0]
    broker.pause()
    wait(AWAY_S)
    broker.resume()


def the_broker_is_killed(_: Service, wait: Wait) -> None:
    broker = cluster().brokers[0]
    broker.kill()
    try:
        wait(AWAY_S)
    finally:
        broker.start()
        cluster().wait_until_ready()


def router_and_feeds_stand_still(service: Service, wait: Wait) -> None:
    service.signal_children(signal.SIGSTOP)
    wait(AWAY_S)
    service.signal_children(signal.SIGCONT)


pytestmark = pytest.mark.timeout(300 + 60 * FAULTS)  # each time away, and all of it made good again
KINDS = (the_broker_stands_still, router_and_feeds_stand_still, the_broker_is_killed)


def test_whatever_is_away_for_a_while_loses_and_doubles_nothing(service: Service) -> None:
    pause = threading.Event()
    service.start()
    service.wait_until_ready()
    with Load(service, random.randrange(2**32)) as load:
        for fault in islice(cycle(KINDS), FAULTS):
            until_acknowledged(load, len(load.acknowledged()) + 20)
            fault(service, pause.wait)
        until_acknowledged(load, len(load.acknowledged()) + 20)
    until_ready(service)
    assert service.process is not None
    assert service.process.poll() is None, "its processes end, not itself"
    what = f"{FAULTS} faults, {load.refusals()} refused, {service.said().count(ENDED)} ended"
    check_that_nothing_is_lost_or_doubled(load, what)


@soon
def until_ready(service: Service) -> None:
    service.wait_until_ready()


@soon
def until_acknowledged(load: Load, count: int) -> None:
    assert len(load.acknowledged()) >= count
