"""What is handed over to those who listen: all of it, once, and a notice never before what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bus.memory import MemoryLog
from bus.port import Log, LogError, Record, Stored, TopicPartition
from bus.sqlite import SqliteLog
from bus.sqlite.timing import Timing
from schemas import topics
from tests.delivery.notices import decided
from tests.wardbridge.test_census import kept, view
from tests.wardbridge.test_http import row, until
from tests.wardbridge.test_identities import described, record
from wardbridge.readmodels.log_follower import SCAN_RECORDS, LogFollower, News

FOLLOWED = (
    topics.DESIGNATIONS, topics.INBOUND, topics.ENCOUNTERS, topics.PATIENTS, topics.ACKNOWLEDGEMENTS,
)  # fmt: skip


def commit(number: int) -> list[Record]:
    """One of each topic."""
    visit = str(number)
    said = Record(topics.ACKNOWLEDGEMENTS, "lab", visit, visit.encode())
    return [
        record(described(patient=f"key-{visit}")), kept(view(visit)), row("MED", visit),
        decided("MED", number), said,
    ]  # fmt: skip


class Handed(list[tuple[str, Stored]]):
    """Everything in the order in which it came, with its topic."""

    def take(self, news: News) -> None:
        for group in (
            news.rows,
            news.encounters,
            news.patients,
            news.notices,
            news.acknowledgements,
        ):
            self.extend((each.topic, each) for each in group)

    def of(self, topic: str) -> list[int]:
        return [each.offset for named, each in self if named == topic]


@asynccontextmanager
async def following(log: Log, take: Callable[[News], None]) -> AsyncIterator[LogFollower]:
    tail = LogFollower(log, take, wait_s=0.005, with_census=True, with_patients=True)
    await tail.start()
    try:
        yield tail
    finally:
        await tail.stop()
        assert tail.failure() is None


@pytest.mark.parametrize("method", ["written", "scan"])
def test_a_log_that_fails_in_the_middle_of_a_look_loses_and_doubles_nothing(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call in turn, the notices read already or not."""
    log, handed, calls = MemoryLog(), Handed(), count()
    whole = getattr(log, method)

    def failing(*of: Any) -> Any:
        if next(calls) % 7 == 0:
            raise LogError("away")
        return whole(*of)

    monkeypatch.setattr(log, method, failing)

    async def run() -> None:
        async with following(log, handed.take):
            for number in range(1, 21):
                log.append(commit(number))
                await until(lambda: all(len(handed.of(topic)) == number for topic in FOLLOWED))  # noqa: B023

    asyncio.run(run())
    for topic in FOLLOWED:
        assert handed.of(topic) == list(range(20)), topic


def test_what_is_kept_comes_in_pieces_and_nobody_waits_for_a_router_that_never_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, sizes, numbers = MemoryLog(), list[int](), count(10_000)
    log.append([decided("MED", number) for number in range(1, 2 * SCAN_RECORDS + 2)])
    scan = log.scan

    def busy(at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        log.append(commit(next(numbers)))
        return scan(at, offset, limit)

    monkeypatch.setattr(log, "scan", busy)

    async def run() -> None:
        async with following(log, lambda news: sizes.append(len(news.notices))) as tail:
            await until(lambda: tail.blocking() is None)

    asyncio.run(run())
    assert max(sizes) == SCAN_RECORDS


def test_a_notice_comes_after_all_that_was_committed_with_it() -> None:
    log, handed = MemoryLog(), Handed()

    async def run() -> None:
        async with following(log, handed.take):
            for number in range(1, 101):
                log.append(commit(number))
            await until(lambda: len(handed.of(topics.ACKNOWLEDGEMENTS)) == 100)

    asyncio.run(run())
    at = {(topic, each.offset): place for place, (topic, each) in enumerate(handed)}
    for number in range(100):
        notice = at[topics.DESIGNATIONS, number]
        for topic in (topics.INBOUND, topics.ENCOUNTERS, topics.PATIENTS):
            assert at[topic, number] < notice


def test_a_file_whose_newest_rows_are_gone_is_waited_for_and_not_spun_around(
    tmp_path: Path,
) -> None:
    now = [1_700_000_000_000]
    at, file = TopicPartition(topics.INBOUND, 0), tmp_path / "log.db"

    async def run() -> None:
        log = SqliteLog.open(
            file, partitions=1, timing=Timing(lambda: now[0], 0.01, 0.01, lambda: now[0])
        )
        log.append([row("MED", "1"), row("MED", "1", gone=True)])
        now[0] += 2 * 86_400_000
        await until(lambda: not log.scan(at, 0, 10))  # the removal is removed
        log.close()
        log = SqliteLog.open(file, partitions=1)
        try:
            async with following(log, lambda _: None) as tail:
                await until(lambda: tail.blocking() is None)
                assert not await asyncio.to_thread(log.wait, FOLLOWED, dict(tail.read_to), 0.0)
        finally:
            log.close()

    asyncio.run(run())


def test_a_topic_that_was_made_anew_is_said_and_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    log.append(commit(1))

    async def run() -> None:
        async with following(log, lambda _: None) as tail:
            await until(lambda: tail.blocking() is None)
            whole = log.written
            monkeypatch.setattr(
                log, "written", lambda topic: {0: 0} if topic == topics.INBOUND else whole(topic)
            )
            log.append(commit(2))
            await until(lambda: tail.blocking() is not None)
            assert "inbound/0 was made anew since it was read" in str(tail.blocking())

    asyncio.run(run())
