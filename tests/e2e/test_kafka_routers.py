"""Several routers of one realm under load: whichever works is ended, a standby goes on; then all return.

Each is a service of its own, as ``--role router`` makes it. How long wards hear nothing is read from
the log, which stamps each notice when it takes it, and printed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import Log
from schemas import topics
from tests.e2e.test_kafka_faults import until_acknowledged
from tests.support.campaigns import only_in_campaigns
from tests.support.labs import lab_on_kafka, log_of
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service
from tests.support.silence import silences_s

COUNT: Final = int(os.environ.get("WARDBRIDGE_FAULTS", "1"))
INSTANCE: Final = 'instance = "${WARDBRIDGE_INSTANCE}"'
ROUTERS: Final = ("r1", "r2")

soon = retry(
    retry=retry_if_exception_type((AssertionError, ValueError, httpx.HTTPError)),
    wait=wait_fixed(0.05), stop=stop_after_delay(120), reraise=True,
)  # fmt: skip
pytestmark = [pytest.mark.timeout(300 + 60 * COUNT), only_in_campaigns]

Change = Callable[[Service], object]


def killed(router: Service) -> None:
    router.kill()


def stopped(router: Service) -> None:
    assert router.stop() == 0


def only_its_process_killed(router: Service) -> None:
    router.signal_children(signal.SIGKILL)


CHANGES: Final[Sequence[Change]] = (killed, stopped, only_its_process_killed)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[dict[str, Service]]:
    """Of one installation: its feeds, and a router that works beside one that stands by."""
    first = lab_on_kafka(tmp_path, INSTANCE)
    made = {name: _service(first, tmp_path, name) for name in ("adapters", *ROUTERS)}
    yield made
    for service in made.values():
        if service.process is not None and service.process.poll() is None:
            service.kill()


def _service(installation: Service, folder: Path, name: str) -> Service:
    environment = {**installation.environment, "WARDBRIDGE_INSTANCE": name}
    made = Service(folder / name, installation.config, environment)
    made.roles = ("router",) if name in ROUTERS else ("adapters",)
    return made


def test_a_standby_takes_over_from_the_router_that_ends(services: dict[str, Service]) -> None:
    seed = random.randrange(2**32)
    adapters, routers = services["adapters"], [services[name] for name in ROUTERS]
    for service in services.values():
        service.start()
        service.wait_until_ready()
    at_s: list[float] = []
    with log_of(adapters) as log:
        with Load(adapters, seed) as load:
            for change in islice(cycle(CHANGES), COUNT):
                until_acknowledged(load, len(load.acknowledged()) + 100)
                working = _working(routers)
                at_s.append(time.time())
                change(working)
                _until_told_more_than(log, log.ends(topics.DESIGNATIONS)[0])
                _all_run(routers)
            until_acknowledged(load, len(load.acknowledged()) + 100)
        _until_decided(adapters)
        silences = silences_s(log, at_s)
    names = [change.__name__ for change in islice(cycle(CHANGES), COUNT)]
    told = ", ".join(f"{name} {s:.1f}" for name, s in zip(names, silences, strict=True))
    # with routers that go on: each writes the time, and one that ended might have left it undecided
    check_that_nothing_is_lost_or_doubled(load, f"seed {seed}, seconds of silence: {told}")
    assert [router.stop() for router in routers] == [0, 0]


@soon
def _working(routers: Sequence[Service]) -> Service:
    """The one that has the realm: it commits, the other has nothing to commit."""
    before = [_commits(router) for router in routers]
    threading.Event().wait(0.2)
    (working,) = [
        router for router, count in zip(routers, before, strict=True) if _commits(router) > count
    ]
    return working


def _commits(router: Service) -> int:
    commits: int = router.get("/health")["router"]["commits"]
    return commits


@soon
def _until_told_more_than(log: Log, end: int) -> None:
    assert log.ends(topics.DESIGNATIONS)[0] > end


def _all_run(routers: Sequence[Service]) -> None:
    for router in routers:
        assert router.process is not None
        if router.process.poll() is not None:
            router.start()
        router.wait_until_ready()


@soon
def _until_decided(adapters: Service) -> None:
    assert adapters.get("/health")["router"]["lag_records"] == 0
