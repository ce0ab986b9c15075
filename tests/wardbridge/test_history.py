"""Readers who are far behind: read once for all, in pages, with heartbeats, and for nobody who has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bus.memory import MemoryLog
from bus.port import Log, LogError, PositionLostError, Stored, TopicPartition
from schemas import topics
from tests.wardbridge.test_http import Surface, ids, notice, notices, stream, surface, until
from wardbridge.readmodels import stream_events
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.event_id import EventId
from wardbridge.readmodels.history import BLOCK_OFFSETS, BLOCKS_KEPT, PAGE_BYTES, GoneError, Pages
from wardbridge.readmodels.stream_events import Recent, StreamEvent, kept_of

PATH = "/v1/wards/MED/stream"
MANY = 3 * BLOCK_OFFSETS + 50
HISTORY = "history"


@pytest.fixture
def little_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_events, "RECENT_NOTICES", 10)


class Reads(list[tuple[int, int]]):
    """What the thread of the history reads of a log: offset and limit; it can be held up."""

    def __init__(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self._scan = log.scan
        monkeypatch.setattr(log, "scan", self.scan)

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        if threading.current_thread().name.startswith(HISTORY):
            self.append((offset, limit))
            self.go_on.wait(30)
            if self.error is not None:
                raise self.error
        return self._scan(at, offset, limit)


def kept_records(count: int, wards: Sequence[str] = ("MED",)) -> list[Any]:
    return [notice(ward, n) for n in range(1, count + 1) for ward in wards]


async def all_of(
    running: Surface, after: int, count: int, path: str = PATH
) -> list[tuple[str, str]]:
    async with stream(running, path, after=after) as events:
        return ids(await notices(events, count))


def test_many_readers_who_are_far_behind_have_the_log_read_once(
    little_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_in_memory

    async def check() -> None:
        async with surface(*kept_records(MANY), max_streams=40) as running:
            reads = Reads(running.log, monkeypatch)
            found = await asyncio.gather(*(all_of(running, 0, MANY) for _ in range(40)))
            assert found == [[("message", str(n)) for n in range(1, MANY + 1)]] * 40
            assert sorted({offset for offset, _ in reads}) == [n * BLOCK_OFFSETS for n in range(4)]
            assert len(reads) == 4

    asyncio.run(check())


def test_wards_that_share_a_partition_share_what_is_read(
    little_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart: the listeners of every ward come back with what they had."""
    del little_in_memory
    wards = [f"W{number}" for number in range(8)]

    async def check() -> None:
        async with surface(*kept_records(100, wards)) as running:
            reads = Reads(running.log, monkeypatch)
            paths = [f"/v1/wards/{ward}/stream" for ward in wards]
            found = await asyncio.gather(*(all_of(running, 1, 99, path) for path in paths))
            assert found == [[("message", str(n)) for n in range(2, 101)]] * 8
            assert len(reads) == -(-800 // BLOCK_OFFSETS)

    asyncio.run(check())


def test_who_missed_some_of_the_newest_notices_has_nothing_read_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check() -> None:
        async with surface(*kept_records(2_000)) as running:
            reads = Reads(running.log, monkeypatch)
            assert len(await all_of(running, 0, 2_000)) == 2_000
            assert reads == []

    asyncio.run(check())


def test_while_the_log_is_slow_a_reader_hears_heartbeats_and_others_go_on(
    little_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_in_memory

    async def check() -> None:
        async with surface(*kept_records(1_000)) as running:
            reads = Reads(running.log, monkeypatch)
            reads.go_on.clear()
            async with stream(running, PATH, after=0) as slow, stream(running, PATH) as live:
                assert [await anext(slow) for _ in range(3)] == [{}, {}, {}]
                running.log.append([notice("MED", 1_001)])
                assert ids(await notices(live, 1)) == [("message", "1001")]
                reads.go_on.set()
                assert ids(await notices(slow, 1_001))[-1] == ("message", "1001")

    asyncio.run(check())


def test_nothing_is_read_for_those_who_have_gone(
    little_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_in_memory

    async def check() -> None:
        async with surface(*kept_records(MANY)) as running:
            reads = Reads(running.log, monkeypatch)
            reads.go_on.clear()
            for after in range(0, MANY - 20, BLOCK_OFFSETS // 2):
                async with stream(running, PATH, after=after) as events:
                    await anext(events)  # it waits for its first page
            await until(lambda: not running.hub.listeners())
            reads.go_on.set()
            async with stream(running, PATH, after=MANY - 100) as events:
                assert len(await notices(events, 100)) == 100
            own = [2 * BLOCK_OFFSETS, 3 * BLOCK_OFFSETS]
            assert [offset for offset, _ in reads] == [0, *own]  # the first was under way

    asyncio.run(check())


@pytest.mark.parametrize("error", [LogError("away"), PositionLostError("gone")])
def test_a_log_that_cannot_be_read_ends_the_stream_or_resets_it(
    error: Exception, little_in_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_in_memory

    async def check() -> None:
        async with surface(*kept_records(1_000)) as running:
            reads = Reads(running.log, monkeypatch)
            reads.error = error
            async with stream(running, PATH, after=0) as events:
                if isinstance(error, PositionLostError):
                    assert ids(await notices(events, 1)) == [("reset", "1000")]
                else:
                    assert [event async for event in events if event] == []
            await until(lambda: not running.hub.listeners())

    asyncio.run(check())


# the pages themselves


class Shortened(MemoryLog):
    """Keeps what lies from ``start`` on."""

    start = 0

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        if offset < self.start:
            raise PositionLostError("gone")
        return super().scan(at, offset, limit)


@pytest.fixture
def log() -> Iterator[Shortened]:
    opened = Shortened(1)
    yield opened
    opened.close()


def board_of(log: MemoryLog) -> Board:
    board = Board()
    for stored in log.scan(TopicPartition(topics.DESIGNATIONS, 0), 0, 100_000):
        board.note(stored)
    return board


def test_a_page_is_of_bounded_size_and_goes_on_where_the_last_one_ended(
    little_in_memory: None, log: Shortened
) -> None:
    del little_in_memory

    async def check() -> None:
        log.append(kept_records(1_500, ("MED", "KIR")))
        board = board_of(log)
        pages, history = Pages(log, board), board.history("KIR")
        assert history
        last, sizes = 0, []
        while last < 1_400:
            page = await pages.after(history, last, 1_400)
            assert [each.event_id.sequence for each in page] == list(
                range(last + 1, last + 1 + len(page))
            )
            sizes.append(sum(len(each.event) for each in page))
            last = page[-1].event_id.sequence
        assert last == 1_400
        assert max(sizes) < PAGE_BYTES + 2_000

    asyncio.run(check())


def test_what_retention_took_is_gone_and_the_rest_of_its_block_is_not(
    little_in_memory: None, log: Shortened
) -> None:
    del little_in_memory

    async def check() -> None:
        log.append(kept_records(1_000))
        board = board_of(log)
        pages, history = Pages(log, board), board.history("MED")
        assert history
        log.start = 100
        with pytest.raises(GoneError):
            await pages.after(history, 99, 1_000)  # the hundredth lies at 99
        assert (await pages.after(history, 100, 1_000))[0].event_id.sequence == 101

    asyncio.run(check())


def test_a_block_whose_end_was_written_since_is_read_again(
    little_in_memory: None, log: Shortened
) -> None:
    del little_in_memory

    async def check() -> None:
        log.append(kept_records(100))
        board = board_of(log)
        pages, history = Pages(log, board), board.history("MED")
        assert history
        await pages.after(history, 0, 100)
        log.append([notice("MED", n) for n in range(101, 200)])
        for stored in log.scan(TopicPartition(topics.DESIGNATIONS, 0), 100, 1_000):
            board.note(stored)
        assert (await pages.after(history, 120, 199))[0].event_id.sequence == 121

    asyncio.run(check())


def test_what_is_kept_in_memory_is_bounded(
    little_in_memory: None, log: Shortened, monkeypatch: pytest.MonkeyPatch
) -> None:
    del little_in_memory

    async def check() -> None:
        log.append(kept_records((BLOCKS_KEPT + 5) * BLOCK_OFFSETS))
        board = board_of(log)
        pages, history = Pages(log, board), board.history("MED")
        assert history
        for block in range(BLOCKS_KEPT + 4):
            await pages.after(history, block * BLOCK_OFFSETS, history.last)
        assert len(pages._blocks) == BLOCKS_KEPT

    asyncio.run(check())
    recent = Recent()
    monkeypatch.setattr(stream_events, "RECENT_NOTICES", 1_000)
    monkeypatch.setattr(stream_events, "RECENT_BYTES", 5_000)
    for offset, stored in enumerate(log.scan(TopicPartition(topics.DESIGNATIONS, 0), 0, 100)):
        recent.add("MED", stored, kept_of(stored))
        assert sum(len(each.event) for each in recent.of("MED")) <= 5_000
        assert recent.at(TopicPartition(topics.DESIGNATIONS, 0), offset)
    assert recent.at(TopicPartition(topics.DESIGNATIONS, 0), 0) is None
    assert next(recent.of("MED")).event_id.sequence == 100


def test_a_notice_is_written_once_and_read_once() -> None:
    stored = Stored(topics.DESIGNATIONS, 0, 7, "MED", notice("MED", 3, "4711").value, (), 255)
    found = kept_of(stored)
    assert found.event_id == EventId(3, 255)
    assert found.value == stored.value
    assert found.event == b"id: 3.ff\ndata: " + (stored.value or b"") + b"\n\n"
    assert found.told is found.told
    assert (found.told.visit.visit, found.told.version) == ("4711", 1)
    assert isinstance(found, StreamEvent)
