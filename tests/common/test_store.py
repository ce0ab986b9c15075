"""Many inputs on their way to the log: one call a turn, settled once, each for its own fate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from adapters.common.store import SettledInput, Store
from bus.memory import MemoryLog
from bus.port import LogError, LogFullError, Record, RecordTooLargeError
from schemas import topics
from tests.support.logs import PickyLog

TIMEOUT_S = 20


class CountingLog(MemoryLog):
    """Says that everything is durable, or fails everything, from a thread; counts the calls."""

    def __init__(self, error: LogError | None = None) -> None:
        super().__init__()
        self.error = error
        self.calls: list[int] = []

    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        self.calls.append(len(records))
        threading.Thread(target=on_done, args=(self.error,)).start()


def records(value: bytes) -> list[Record]:
    return [Record(topics.RAW, "region", None, value)]


def settled(log: MemoryLog, *values: bytes) -> dict[bytes, LogError | None]:
    """What each value is told when one turn of the loop brings them all; none is told twice."""
    found: list[SettledInput[bytes]] = []
    all_told = asyncio.Event()
    threads: set[int] = set()

    def settle(told: Sequence[SettledInput[bytes]]) -> None:
        threads.add(threading.get_ident())
        found.extend(told)
        if len(found) >= len(values):
            all_told.set()

    async def play() -> None:
        store = Store(log, settle)
        for value in values:
            store.put(value, records(value))
        async with asyncio.timeout(TIMEOUT_S):
            await all_told.wait()

    asyncio.run(play())
    assert threads == {threading.get_ident()}, "in the loop, whichever thread the log calls from"
    assert len(found) == len(values)
    return dict(found)


def test_one_turn_is_one_call_and_everybody_is_told() -> None:
    log = CountingLog()
    assert settled(log, b"1", b"2", b"3") == {b"1": None, b"2": None, b"3": None}
    assert log.calls == [3]


@pytest.mark.parametrize(
    ("error", "at_once"),
    [
        (RecordTooLargeError("too large"), True),
        (RecordTooLargeError("too large"), False),
        (LogError("a value it cannot take"), False),
    ],
)
def test_the_fault_of_one_costs_no_other(error: LogError, *, at_once: bool) -> None:
    told = settled(PickyLog(error, at_once=at_once), b"1", b"BAD", b"3")
    assert told == {b"1": None, b"BAD": error, b"3": None}


def test_a_full_log_is_not_asked_again_for_each() -> None:
    full = LogFullError("no room")
    log = CountingLog(full)
    assert settled(log, b"1", b"2") == {b"1": full, b"2": full}
    assert log.calls == [2]


def test_a_closed_log_is_told_and_raises_nothing() -> None:
    log = MemoryLog()
    log.close()
    assert isinstance(settled(log, b"1")[b"1"], LogError)
