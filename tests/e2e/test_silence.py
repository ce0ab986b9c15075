"""How long wards hear nothing after each kind of fault, under load: the figures of the runbook's table."""

from __future__ import annotations

import os
import random
import re
import signal
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.e2e.test_kafka_faults import until_acknowledged
from tests.support.campaigns import only_in_campaigns
from tests.support.kafka import cluster
from tests.support.labs import lab_on_kafka, lab_on_sqlite, log_of
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service
from tests.support.silence import silences_s

ROUNDS: Final = int(os.environ.get("WARDBRIDGE_ROUNDS", "3"))
STANDS_S: Final = 5.0
IN_TIME_RECORDS: Final = 20
ENGINES: Final[Mapping[str, Callable[[Path], Service]]] = {
    "sqlite": lab_on_sqlite, "kafka": lab_on_kafka,
}  # fmt: skip
ENDED: Final = re.compile(r'"component": "([^"]*)".*"event": "process_ended"|'
                          r'"event": "process_ended".*"component": "([^"]*)"')  # fmt: skip

Fault = Callable[[Service], str]
"""Makes something fail; the name of what did."""

soon = retry(
    retry=retry_if_exception_type((AssertionError, httpx.HTTPError)), wait=wait_fixed(0.05),
    stop=stop_after_delay(120), reraise=True,
)  # fmt: skip
pytestmark = [pytest.mark.timeout(900), only_in_campaigns]


def nothing(_: Service) -> str:
    return "nothing"


def a_process(number: int) -> Fault:
    """One of the service's processes is killed; the journal says which."""

    def fail(service: Service) -> str:
        before = len(_ended(service))
        os.kill(_child(service, number), signal.SIGKILL)
        return f"{_until_one_more(service, before)} is killed"

    return fail


@soon
def _child(service: Service, number: int) -> int:
    """One of its processes, once there are as many: one that was killed is started with a pause."""
    children = service.children()
    assert number < len(children)
    return children[number]


def every_process(service: Service) -> str:
    service.kill_children()
    return "all processes but the service's first are killed"


def the_service(service: Service) -> str:
    service.kill()
    service.start()
    return "the service is killed and started at once"


def all_stand_still(service: Service) -> str:
    everyone = service.children()
    for child in everyone:
        os.kill(child, signal.SIGSTOP)
    threading.Event().wait(STANDS_S)
    for child in everyone:
        os.kill(child, signal.SIGCONT)
    return f"its processes stand still for {STANDS_S:.0f} s"


def the_broker(_: Service) -> str:
    broker = cluster().brokers[0]
    broker.kill()
    broker.start()
    cluster().wait_until_ready()
    return "the only broker is killed and started at once"


FAULTS: Final[Mapping[str, tuple[Fault, ...]]] = {
    "sqlite": (
        nothing, a_process(0), a_process(1), a_process(2), every_process, the_service, all_stand_still,
    ),
    "kafka": (
        nothing, a_process(0), a_process(1), a_process(2), every_process, the_service, all_stand_still, the_broker,
    ),
}  # fmt: skip


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(engine: str, tmp_path: Path) -> Iterator[Service]:
    made = ENGINES[engine](tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_silence_after_each_fault_is_measured_and_nothing_is_lost(
    engine: str, service: Service
) -> None:
    service.start()
    service.wait_until_ready()
    at_s: list[float] = []
    names: list[str] = []
    with Load(service, random.randrange(2**32)) as load:
        for fault in FAULTS[engine] * ROUNDS:
            _go_on(service, load)
            at_s.append(time.time())
            names.append(fault(service))
        _go_on(service, load)
    with log_of(service) as log:
        silences = silences_s(log, at_s)
    for name, each in _by_name(names, silences).items():
        print(f"| {engine} | {name} | {statistics.median(each):.1f} | {max(each):.1f} |")
    check_that_nothing_is_lost_or_doubled(load, engine)


def _by_name(names: list[str], silences: list[float]) -> Mapping[str, list[float]]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for name, each in zip(names, silences, strict=True):
        found[name].append(each)
    return found


def _ended(service: Service) -> list[str]:
    return [one or other for one, other in ENDED.findall(service.said())]


@soon
def _until_one_more(service: Service, before: int) -> str:
    ended = _ended(service)
    assert len(ended) > before
    return ended[-1]


def _go_on(service: Service, load: Load) -> None:
    """Until the fault before is over: what is said is taken and decided."""
    until_acknowledged(load, len(load.acknowledged()) + 100)
    _until_in_time(service)


@soon
def _until_in_time(service: Service) -> None:
    health = service.get("/health")
    assert health["ready"]
    assert health["router"]["lag_records"] < IN_TIME_RECORDS
