"""The engines under contract. Kafka joins by adding a factory here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bus.memory import MemoryLog
from bus.port import Log
from bus.sqlite import SqliteLog

Engine = Callable[[int], Log]


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    opened: list[Log] = []

    def open_log(partitions: int) -> Log:
        log: Log = (
            MemoryLog(partitions)
            if request.param == "memory"
            else SqliteLog.open(tmp_path / f"log{len(opened)}.db", partitions=partitions)
        )
        opened.append(log)
        return log

    yield open_log
    for log in opened:
        log.close()
