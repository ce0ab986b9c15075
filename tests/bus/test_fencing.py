"""A process is killed between handing over a commit and its end: its successor repeats nothing.

The commit waits in one of two places: on the killed one's connection, from which nobody has taken it
yet, or in the writer's queue. Each test makes certain which of them it is.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from bus.port import Log, LogFencedError, Record, TopicPartition
from bus.sqlite import SqliteLog
from bus.sqlite.serving import serve
from bus.sqlite.writer import Item
from schemas.topics import DESIGNATIONS, RAW, STATE
from tests.bus.engines import attached_to

GROUP: Final = "router"
TIMEOUT_S: Final = 30
ROUTER: Final = """
import socket, sys
from pathlib import Path
from bus.port import Record
from bus.sqlite.attached import AttachedLog

log = AttachedLog(Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
batch = log.read("router", ["raw"], 10, 30.0)
outputs = [Record("designations", "r", s.key, s.value) for s in batch.records]
print("decided", flush=True)
sys.stdin.readline()
log.commit("router", batch.positions, [*outputs, Record("state", "r", "by", b"killed")])
print("committed", flush=True)
"""


class Router:
    """A process that has read and decided, and commits when told."""

    def __init__(self, log: SqliteLog) -> None:
        ours, theirs = socket.socketpair()
        self.served = serve(log, ours)
        command = [sys.executable, "-c", ROUTER, str(log.path), str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        theirs.close()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"decided\n"

    def commit(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        said, _ = self._process.communicate(timeout=TIMEOUT_S)
        assert said == b"", "it was killed before its commit was answered"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog.open(tmp_path / "log.db")) as opened:
        opened.append([Record(RAW, "r", text, text.encode()) for text in "abc"])
        yield opened


def succeed(log: Log) -> list[str | None]:
    """What a successor finds to do, and does."""
    batch = log.read(GROUP, [RAW], 10, 0.0)
    outputs = [Record(DESIGNATIONS, "r", each.key, each.value) for each in batch.records]
    if outputs:
        log.commit(GROUP, batch.positions, [*outputs, Record(STATE, "r", "by", b"successor")])
    return [each.key for each in batch.records]


def found(log: Log) -> tuple[list[str | None], list[bytes | None]]:
    """Who was told what, and who wrote the state."""
    told = [each.key for each in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 100)]
    return told, [each.value for each in log.load(TopicPartition(STATE, 0))]


def replace_put(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch, put: Callable[[Item], None]
) -> None:
    """The first commit that comes goes by ``put``, all else as ever."""
    plain, commits = log.put, iter([put])

    def chosen(item: Item) -> None:
        (next(commits, plain) if item.entry.positions else plain)(item)

    monkeypatch.setattr(log, "put", chosen)


def test_a_commit_that_nobody_has_taken_yet_is_refused(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, gone, refused, plain = threading.Event(), threading.Event(), list[object](), log.put

    def put_late(item: Item) -> None:
        came.set()
        assert gone.wait(TIMEOUT_S)
        plain(item._replace(on_done=refused.append))

    replace_put(log, monkeypatch, put_late)
    router = Router(log)
    router.commit()
    assert came.wait(TIMEOUT_S)
    router.kill()
    with closing(attached_to(log)) as successor:
        assert succeed(successor) == ["a", "b", "c"]
        gone.set()
        router.served.join(TIMEOUT_S)
        log.append([])  # whatever it had left has been through the writer
        assert found(log) == (["a", "b", "c"], [b"successor"])
        assert [type(error) for error in refused] == [LogFencedError]
        assert successor.read(GROUP, [RAW], 10, 0.0).records == ()


def test_a_commit_that_waits_to_be_written_counts(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued, plain = threading.Event(), log.put

    def put(item: Item) -> None:
        plain(item)
        queued.set()

    replace_put(log, monkeypatch, put)
    router = Router(log)
    disk = sqlite3.connect(log.path, isolation_level=None)
    with closing(disk), closing(attached_to(log)) as successor, ThreadPoolExecutor(1) as pool:
        disk.execute("BEGIN IMMEDIATE")  # nothing is written until it lets go
        router.commit()
        assert queued.wait(TIMEOUT_S)
        router.kill()
        succeeding = pool.submit(succeed, successor)
        disk.execute("ROLLBACK")
        assert succeeding.result(TIMEOUT_S) == [], "it has joined behind what was queued"
        assert found(log) == (["a", "b", "c"], [b"killed"])


def test_the_writer_itself_fences_a_process_beside_it(log: SqliteLog) -> None:
    with closing(attached_to(log)) as beside:
        batch = beside.read(GROUP, [RAW], 10, 0.0)
        assert succeed(log) == ["a", "b", "c"]
        with pytest.raises(LogFencedError, match="took over router"):
            beside.commit(GROUP, batch.positions, [])
