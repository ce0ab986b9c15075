"""Processes that share the queues of subscribers on a real broker: nothing is sent again when they come and go."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bus.kafka import KafkaLog
from bus.port import LogError
from router.delivery.lanes import RetryTerms
from router.delivery.queue import GROUP
from tests.bus.engines import one_broker
from tests.delivery.dispatching import (
    QUICK,
    TAKEN,
    AtWork,
    Endpoint,
    at_work,
    receipts,
    sender_to,
    states,
    until_so,
)
from tests.delivery.notices import queued
from tests.support.kafka import brokers

PARTITIONS = 4
NAMES = [f"s{number}" for number in range(8)]

pytestmark = pytest.mark.timeout(300)


class Installation:
    """Processes on one prefix, all of which tell the same subscribers."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.prefix = f"t{uuid.uuid4().hex[:8]}."
        self.endpoints = {name: Endpoint(lambda _: TAKEN) for name in NAMES}
        self.log = self.opened("writer")
        self._number = 0

    def opened(self, instance: str) -> KafkaLog:
        settings = one_broker(
            brokers(), prefix=self.prefix, instance=instance, partitions=PARTITIONS
        )
        log = KafkaLog(settings)
        self._stack.callback(log.close)
        return log

    @contextmanager
    def process(self, instance: str, terms: RetryTerms = QUICK) -> Iterator[AtWork]:
        log = self.opened(instance)
        senders = [sender_to(endpoint, name, terms) for name, endpoint in self.endpoints.items()]
        with at_work(log, *senders) as working:
            yield working
        log.close()

    def queue_up(self, notices: int) -> None:
        """So many for each."""
        for _ in range(notices):
            self._number += 1
            ward = f"W{self._number % 5}"
            self.log.append([queued(name, ward, self._number) for name in NAMES])

    def told(self) -> int:
        return len(receipts(self.log))

    def check(self) -> None:
        """Each number once at each subscriber, with one receipt."""
        numbers = list(range(1, self._number + 1))
        for name, endpoint in self.endpoints.items():
            assert sorted(endpoint.numbers()) == numbers, name
        found = Counter((each.subscriber, each.sequence) for each in receipts(self.log))
        assert found == dict.fromkeys(((name, n) for name in NAMES for n in numbers), 1)


@pytest.fixture
def installation() -> Iterator[Installation]:
    with ExitStack() as stack:
        yield Installation(stack)


def test_processes_that_come_and_go_send_each_notice_once(installation: Installation) -> None:
    """Each change of members is a rebalance: what was taken is committed before partitions move."""
    stopping = threading.Event()

    def keep_queueing() -> None:
        while not stopping.wait(0.01):
            installation.queue_up(1)

    queueing = threading.Thread(target=keep_queueing)
    with installation.process("b"):
        queueing.start()
        until_so(lambda: installation.told() > 100)
        with installation.process("a"):
            before = installation.told()
            until_so(lambda: installation.told() > before + 200)
            with installation.process("c"):
                before = installation.told()
                until_so(lambda: installation.told() > before + 200)
        stopping.set()
        queueing.join()
        until_so(lambda: installation.told() >= 8 * installation._number)
    installation.check()


def test_what_is_under_way_when_a_partition_moves_is_waited_for(installation: Installation) -> None:
    """A receiver that needs two seconds for a notice, which another process would send again."""
    slow = threading.Event()

    class Slow(Endpoint):
        async def send(self, outgoing):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            self.sent.append(outgoing)
            slow.set()
            await asyncio.sleep(2.0)
            self.taken.append(outgoing)
            return TAKEN

    installation.endpoints = {name: Slow() for name in NAMES}
    with installation.process("b"):
        installation.queue_up(1)
        assert slow.wait(60)
        with installation.process("a"):
            until_so(lambda: installation.told() == len(NAMES))
    installation.check()
    assert all(len(each.sent) == 1 for each in installation.endpoints.values())


def test_a_log_that_failed_for_a_while_has_nothing_sent_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is thrown away and another reads from what is committed: nobody else was there."""
    failing = threading.Event()
    read = KafkaLog.read

    def sometimes(self: KafkaLog, *given: object) -> object:
        if failing.is_set():
            self._leave(GROUP)
            raise LogError("no broker answers")
        return read(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(KafkaLog, "read", sometimes)
    monkeypatch.setattr("router.delivery.dispatcher.LOG_PAUSE_S", 0.05)
    with installation.process("b"):
        for _ in range(4):
            installation.queue_up(10)
            until_so(lambda: installation.told() > 8 * (installation._number - 10))
            failing.set()
            threading.Event().wait(0.2)
            failing.clear()
        until_so(lambda: installation.told() >= 8 * installation._number)
    installation.check()


def test_two_processes_that_start_at_once_give_each_number_once(installation: Installation) -> None:
    installation.queue_up(20)
    with installation.process("a"), installation.process("b"):
        until_so(lambda: installation.told() >= 8 * 20)
    installation.check()
    assert {state.sequence for state in states(installation.log).values()} == {20}
