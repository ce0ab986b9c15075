"""A router that says that all is well and decides nothing is told of; one that says why is not."""

import asyncio
import threading

import pytest

from bus.memory import MemoryLog
from bus.port import LogError, Record, TopicPartition
from router.core.step import GROUP
from schemas.topics import OBSERVATIONS
from wardbridge.routing.progress import RouterProgress

STALLED_AFTER_S = 30.0
WAITING = Record(OBSERVATIONS, "r", None, b"{}")
FIRST = TopicPartition(OBSERVATIONS, 0)


class Router:
    """Says what the test says."""

    name = "router"

    def __init__(self) -> None:
        self.reason: str | None = None
        self.asked = threading.Event()

    def blocking(self) -> str | None:
        self.asked.set()
        return self.reason

    def failure(self) -> str | None:
        return None


class Watched:
    """A router, its log and the clock by which it is watched."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.log, self.router = MemoryLog(), Router()
        self.progress = RouterProgress(self.log, self.router, STALLED_AFTER_S, lambda: self.now_s)
        self.log.append([WAITING, WAITING])

    def looked_at(self, after_s: float) -> str | None:
        self.now_s += after_s
        self.progress.look()
        return self.progress.blocking()


def test_records_that_wait_at_a_router_that_stands_still_are_told_of_until_it_goes_on() -> None:
    it = Watched()
    assert it.looked_at(after_s=0) is None
    assert it.looked_at(after_s=29) is None
    assert it.looked_at(after_s=1) == "the router stands still in observations/0"
    assert it.progress.stalled() == ("observations/0",)
    it.log.commit(GROUP, {FIRST: 1}, [])
    assert it.looked_at(after_s=1) is None


def test_a_router_that_says_why_it_waits_is_not_told_of_twice() -> None:
    it = Watched()
    it.router.reason = "the state is being loaded"
    assert it.looked_at(after_s=0) is None
    assert it.looked_at(after_s=100) is None
    it.router.reason = None
    assert it.looked_at(after_s=1) is None
    assert it.looked_at(after_s=30) is not None


def test_a_log_that_is_away_says_nothing_of_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> None:
        raise LogError("no broker answers")

    it = Watched()
    it.looked_at(after_s=0)
    with monkeypatch.context() as patched:
        patched.setattr(it.log, "committed", away)
        assert it.looked_at(after_s=100) is None
    assert it.looked_at(after_s=1) is not None


def test_it_looks_by_itself_until_stopped() -> None:
    async def play() -> None:
        it = Watched()
        await it.progress.start()
        assert await asyncio.to_thread(it.router.asked.wait, 30)
        assert it.progress.failure() is None
        await it.progress.stop()

    asyncio.run(play())
