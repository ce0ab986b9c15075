"""A broker that stops answering under load, again and again: nothing lost, nothing doubled.

It keeps its connections and answers nothing (SIGSTOP), for longer than a commit may take. Appends
and commits fail by themselves then and are tried again; a commit that hangs all the same ends the
router's process by the watchdog, and the service starts it again.
"""

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka.watchdog import EXIT_STUCK
from tests.support.kafka import cluster
from tests.support.labs import lab_on_kafka
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service

STOPS = int(os.environ.get("WARDBRIDGE_STOPS", "2"))
COMMIT_TIMEOUT_S, STOPPED_S = 2, 4
ENDED_AS_STUCK = f'"exit_code": {EXIT_STUCK}, "event": "process_ended"'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = lab_on_kafka(
        tmp_path, f"commit_timeout_s = {COMMIT_TIMEOUT_S}", "transaction_timeout_s = 4",
        "delivery_timeout_s = 3",
    )  # fmt: skip
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_a_broker_that_stops_and_goes_on_loses_and_doubles_nothing(service: Service) -> None:
    broker, pause = cluster().brokers[0], threading.Event()
    service.start()
    service.wait_until_ready()
    with Load(service, random.randrange(2**32)) as load:
        for _ in range(STOPS):
            _until_acknowledged(load, len(load.acknowledged()) + 20)
            broker.pause()
            pause.wait(STOPPED_S)
            broker.resume()
        service.wait_until_ready()
        _until_acknowledged(load, len(load.acknowledged()) + 20)
    assert service.process is not None
    assert service.process.poll() is None, "its processes end, not itself"
    stuck = service.said().count(ENDED_AS_STUCK)
    what = f"{STOPS} stops, {stuck} ended as stuck, {load.refusals()} refused"
    check_that_nothing_is_lost_or_doubled(load, what)


@retry(
    retry=retry_if_exception_type(AssertionError), wait=wait_fixed(0.05),
    stop=stop_after_delay(60), reraise=True,
)  # fmt: skip
def _until_acknowledged(load: Load, count: int) -> None:
    assert len(load.acknowledged()) >= count
