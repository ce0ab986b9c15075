"""SIGKILL under load on each engine: 8 connections and a directory of exports, nothing lost or doubled."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.labs import lab_on_kafka, lab_on_sqlite
from tests.support.load import Load, check_that_nothing_is_lost_or_doubled
from tests.support.service import Service

KILLS = int(os.environ.get("WARDBRIDGE_KILLS", "3"))
CHILDREN_ALONE = 0.3  # of the kills: the service stays and starts its router and feeds again
WAITED_FOR = 0.8  # of the starts: now and then it is killed again while it starts


@pytest.fixture(params=[lab_on_sqlite, lab_on_kafka], ids=["sqlite", "kafka"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    make: Callable[[Path], Service] = request.param
    made = make(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_sigkill_under_load(service: Service) -> None:
    seed = random.randrange(2**32)
    service.start()
    service.wait_until_ready()
    with Load(service, seed) as load:
        _kill_at_random(service, random.Random(seed))
    assert load.refusals() == 0
    check_that_nothing_is_lost_or_doubled(load, f"seed {seed}, {KILLS} kills")


def _kill_at_random(service: Service, chance: random.Random) -> None:
    pause = threading.Event()
    for _ in range(KILLS):
        pause.wait(chance.uniform(0.05, 1.5))
        if chance.random() < CHILDREN_ALONE:
            service.kill_children()
            continue
        service.kill()
        service.start()
        if chance.random() < WAITED_FOR:
            service.wait_until_ready()
    service.wait_until_ready()
