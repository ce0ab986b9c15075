"""Each sender is woken for its own notices, and nobody for another's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bus.memory import MemoryLog
from bus.port import LogError
from router.delivery.channel import Answer, Outgoing
from router.delivery.doorbell import Doorbell
from router.delivery.sender import Sender
from schemas import topics
from tests.delivery.notices import queued
from tests.delivery.test_sender import QUICK, TAKEN, Endpoint, looping

PATIENCE_S = 20


@contextmanager
def watching(doorbell: Doorbell) -> Iterator[None]:
    thread = threading.Thread(target=doorbell.run)
    thread.start()
    try:
        yield
    finally:
        doorbell.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def answered(*bells: threading.Event) -> None:
    for bell in bells:
        assert bell.wait(PATIENCE_S)
        bell.clear()


def test_a_bell_rings_at_first_and_then_for_its_own_notices() -> None:
    log = MemoryLog()
    log.append([queued("old", "MED", 1)])
    doorbell = Doorbell(log)
    one, other, old = doorbell.of("one"), doorbell.of("other"), doorbell.of("old")
    answered(one, other, old)
    with watching(doorbell):
        for number in range(1, 4):
            log.append([queued("one", "MED", number), queued("nobody", "MED", number)])
            answered(one)
        log.append([queued("other", "MED", 1)])
        answered(other)
    assert [bell.is_set() for bell in (one, other, old)] == [False] * 3


def test_while_the_log_does_not_say_everybody_may_look(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    doorbell = Doorbell(log)
    bells = [doorbell.of("one"), doorbell.of("other")]
    answered(*bells)

    def fails(*_: object) -> None:
        raise LogError("no more")

    monkeypatch.setattr(log, "scan", fails)
    with watching(doorbell):
        answered(*bells)


def test_what_retention_removed_unread_rings_for_everybody() -> None:
    log = MemoryLog()
    doorbell = Doorbell(log)
    one = doorbell.of("one")
    answered(one)
    assert doorbell._for_whom() == set()
    log.append([queued("one", "MED", 1)])
    log.forget(topics.OUTGOING)
    assert doorbell._for_whom() == {"one"}
    assert doorbell._for_whom() == set()


def test_a_sender_sends_whatever_came_before_and_while_it_ran() -> None:
    log, all_came = MemoryLog(), threading.Event()

    def take(outgoing: Outgoing) -> Answer:
        if outgoing.sequence == 255:
            all_came.set()
        return TAKEN

    log.append([queued("s", "MED", number) for number in range(1, 251)])
    doorbell, endpoint = Doorbell(log), Endpoint(take)
    sender = Sender(log, "s", endpoint, QUICK, bell=doorbell.of("s"))
    with looping() as loop, watching(doorbell):
        thread = threading.Thread(target=sender.run, args=(loop,))
        thread.start()
        for number in range(251, 256):
            log.append([queued("s", "MED", number)])
        assert all_came.wait(PATIENCE_S)
        sender.stop()
        thread.join(PATIENCE_S)
    assert [each.sequence for each in endpoint.sent] == list(range(1, 256))
