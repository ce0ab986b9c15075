"""The router through the runner, on each engine: the same end, over batches and restarts.

Authority is committed before the observations here, as the runner reads topics one by one and
only the order within one is promised.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings

from bus.memory import MemoryLog
from bus.port import Log, Record, TopicPartition
from bus.runner import StepRunner
from bus.sqlite import SqliteLog
from router.core.fulfilment import FulfilledBy, Fulfilment
from router.core.partition import RouterState
from router.core.step import RouterStep
from schemas import topics
from schemas.notification import Notification
from schemas.observation import Envelope, Observation
from schemas.ward import WardRegister
from tests.router.hearing import Router, authority, open_after
from tests.router.histories import AUTHORITIES, History, histories
from tests.router.saying import REALM, envelope
from tests.router.test_invariants import (
    BELIEVED,
    RANDOMS,
    Tally,
    assert_well_formed,
    in_some_order,
)

GROUP = "router"
OpenLog = Callable[[], Log]


@pytest.fixture(params=["memory", "sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenLog]:
    """A new, empty log each time."""
    opened: list[Log] = []

    def one_more() -> Log:
        for log in opened:
            log.close()
        path = tmp_path / f"{len(opened)}.db"
        opened.append(MemoryLog() if request.param == "memory" else SqliteLog.open(path))
        return opened[-1]

    yield one_more
    opened[-1].close()


def runner_on(log: Log, fulfilled_by: FulfilledBy = "place") -> StepRunner[RouterState]:
    fulfilments = {REALM: Fulfilment(fulfilled_by)}
    step = RouterStep(WardRegister(open_register=True), fulfilments=fulfilments)
    return StepRunner(log, GROUP, step, _fail)


def _fail(stored: object, error: Exception) -> Sequence[Record]:
    raise AssertionError(f"the step raised {error!r} at {stored!r}")


def believe(log: Log, believed: Sequence[str]) -> None:
    value = authority(*believed).model_dump_json().encode()
    log.append([Record(topics.AUTHORITY, REALM, REALM, value)])


def _record(said: Sequence[Observation]) -> Record:
    return Record(topics.OBSERVATIONS, REALM, said[0].id, envelope(*said).to_json())


def tell(log: Log, random: Random, history: History, *, switches: bool = True) -> None:
    """In inputs and batches of some sizes; now and then another process takes over."""
    waiting = list(in_some_order(random, history.said))
    runner = runner_on(log, history.fulfilled_by)
    while waiting:
        size = random.randint(1, 3)
        log.append([_record(waiting[:size])])
        del waiting[:size]
        if random.random() < 0.5:
            runner.run_once()
        if random.random() < 0.1:
            log.rewind(GROUP)
            runner = runner_on(log, history.fulfilled_by)
        if switches and random.random() < 0.1:
            drain(runner)
            believe(log, random.choice(AUTHORITIES))
            drain(runner)
    drain(runner)


def drain(runner: StepRunner[RouterState]) -> None:
    while runner.run_once():
        pass


def values(log: Log, topic: str) -> list[bytes]:
    return [stored.value or b"" for stored in log.scan(TopicPartition(topic, 0), 0, 1_000_000)]


modest = settings(
    max_examples=max(1, settings().max_examples // 4),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def notifications(log: Log) -> list[Notification]:
    return [Notification.model_validate_json(each) for each in values(log, topics.DESIGNATIONS)]


def test_net_truth(open_log: OpenLog) -> None:
    tally = Tally("net truth through the runner")

    @modest
    @given(histories(), RANDOMS, BELIEVED)
    def holds(history: History, random: Random, believed: tuple[str, ...]) -> None:
        log = open_log()
        believe(log, believed)
        tell(log, random, history)
        believe(log, believed)
        drain(runner_on(log, history.fulfilled_by))
        told = notifications(log)
        assert_well_formed(told)
        found = Counter((w, history.person(source, visit)) for w, source, visit in open_after(told))
        assert found == history.awaited(believed)
        inbound = {stored.key for stored in log.load(TopicPartition(topics.INBOUND, 0))}
        assert inbound == {"|".join(key) for key in open_after(told)}
        tally.histories += 1
        tally.with_open += bool(inbound)
        tally.notifications += len(told)

    holds()
    tally.report(share=12)


def test_every_notification_equals_an_undisturbed_routers(open_log: OpenLog) -> None:
    tally = Tally("equal to an undisturbed router")

    @modest
    @given(histories(), RANDOMS)
    def holds(history: History, random: Random) -> None:
        log = open_log()
        believe(log, ("ehr", "W1=elvis"))
        tell(log, random, history, switches=False)
        fresh = Router("ehr", "W1=elvis", fulfilled_by=history.fulfilled_by)
        for value in values(log, topics.OBSERVATIONS):
            fresh.hear_at_once(*Envelope.model_validate_json(value).observations)
        assert notifications(log) == fresh.told
        tally.count(fresh)

    holds()
    tally.report(share=12)
