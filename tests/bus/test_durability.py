"""What SIGKILL does not show: the flush before the answer, each write a crash point, full disks.

The system calls of a child are followed with strace, which is on the list of what Debian needs.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bus.port import TopicPartition
from bus.sqlite import SqliteLog
from schemas.topics import DESIGNATIONS, RAW, STATE
from tests.bus.test_contract import raw, row

CRASH_POINTS = int(os.environ.get("WARDBRIDGE_KILLS", "25"))
LAST_POINT = 160  # system calls of a kind by which a child's writer is done

SENDERS = """
import os, sys, threading
from pathlib import Path
from bus.port import Record
from bus.sqlite import SqliteLog

log = SqliteLog.open(Path(sys.argv[1]))

def send(name):
    for number in range(5):
        text = f"<{name}-{number}>"
        log.append([Record("raw", "r", text, text.encode())])
        os.write(1, f"answer {text}\\n".encode())

threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
log.close()
"""

STEPPER = """
import os, sys
from pathlib import Path
from bus.port import Record
from bus.sqlite import SqliteLog

log = SqliteLog.open(Path(sys.argv[1]))
log._writer._connection.execute("PRAGMA wal_autocheckpoint=12")
for number in range(12):
    log.append([Record("raw", "r", str(number), b"x" * 3000)])
    os.write(1, f"appended {number}\\n".encode())
    batch = log.read("g", ["raw"], 50, 0.0)
    outputs = [Record("designations", "r", s.key, b"y") for s in batch.records]
    log.commit("g", batch.positions, [*outputs, Record("state", "r", "done", str(number).encode())])
    os.write(1, f"committed {number}\\n".encode())
log.close()
"""

DISK_FILLER = """
import resource, sys
from pathlib import Path
from bus.port import LogFullError, Record, TopicPartition
from bus.sqlite import SqliteLog

log = SqliteLog.open(Path(sys.argv[1]))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
at, taken = TopicPartition("raw", 0), 0
try:
    while taken < 1000:
        log.append([Record("raw", "r", str(taken), b"x" * 20_000)])
        taken += 1
except LogFullError as error:
    assert "free space" in str(error), error
try:
    log.commit("g", {at: 1}, [Record("raw", "r", "commit", b"x" * 200_000)])
except LogFullError:
    assert log.committed("g") == {}
assert [s.key for s in log.scan(at, 0, 2000)] == [str(n) for n in range(taken)]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.append([Record("raw", "r", "after", b"")])
log.close()
log = SqliteLog.open(Path(sys.argv[1]))
assert [s.key for s in log.scan(at, 0, 2000)] == [*map(str, range(taken)), "after"]
log.close()
print(taken)
"""

BACKUP = """
import sqlite3, sys
source, copy = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2])
source.backup(copy)
copy.close()
source.close()
"""


def run_child(script: str, *given: Path, under: tuple[str, ...] = ()) -> tuple[int, str]:
    child = subprocess.run(
        [*under, sys.executable, "-c", script, *map(str, given)],
        stdout=subprocess.PIPE, text=True, check=False, timeout=100,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    return child.returncode, child.stdout


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.fail("strace is missing; the README's apt-get line installs it")
    return found


class Call(NamedTuple):
    """The start or the end of a system call, in the order in which strace saw them."""

    name: str
    text: str
    ended: bool


def calls_in(trace: str) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        process, _, text = line.partition(" ")
        if match := re.match(r"\s*<\.\.\. (\w+) resumed>", text):
            yield Call(match[1], begun.pop(process, ""), ended=True)
        elif match := re.match(r"\s*(\w+)\(", text):
            begun[process] = text
            yield Call(match[1], text, ended=False)
            if "<unfinished" not in text:
                yield Call(match[1], text, ended=True)


def answers_before_their_flush(trace: str) -> list[str]:
    """Texts answered although no flush of the log began and ended after they were written."""
    written: set[str] = set()
    flushing: set[str] = set()
    flushed: set[str] = set()
    early = []
    for call in calls_in(trace):
        texts = set(re.findall(r"<\d+-\d+>", call.text))
        if call.name == "pwrite64" and call.ended:
            written |= texts
        elif call.name in {"fdatasync", "fsync"} and "-wal>" in call.text:
            flushed |= flushing if call.ended else set()
            flushing = set() if call.ended else set(written)
        elif call.name == "write" and "answer" in call.text and not call.ended:
            early += sorted(texts - flushed)
    return early


def test_an_answer_comes_after_the_flush_of_its_commit(tmp_path: Path, strace: str) -> None:
    trace = tmp_path / "trace"
    calls = "trace=pwrite64,fdatasync,fsync,write"
    follow = (strace, "-f", "-y", "-s", "9000", "-e", calls, "-o", str(trace))
    code, said = run_child(SENDERS, tmp_path / "log.db", under=follow)
    assert (code, len(said.splitlines())) == (0, 20)
    assert answers_before_their_flush(trace.read_text()) == []


WRITTEN = '1 pwrite64(5</log.db-wal>, "<0-1>", 5, 0) = 5'
FLUSHED = "1 fdatasync(5</log.db-wal>) = 0"
ANSWERED = '2 write(1<pipe>, "answer <0-1>", 12) = 12'


@pytest.mark.parametrize(
    ("trace", "early"),
    [
        ([WRITTEN, FLUSHED, ANSWERED], []),
        ([WRITTEN, ANSWERED, FLUSHED], ["<0-1>"]),
        ([WRITTEN, FLUSHED.replace("-wal", ""), ANSWERED], ["<0-1>"]),
        (
            [
                "1 fdatasync(5</log.db-wal> <unfinished ...>",
                WRITTEN.replace("1", "3", 1),
                ANSWERED.replace("write(1", "write(2"),
                "1 <... fdatasync resumed>) = 0",
                ANSWERED,
            ],
            ["<0-1>", "<0-1>"],
        ),
    ],
    ids=["after", "before", "another file flushed", "flush begun too early"],
)
def test_the_judge_of_traces_sees_an_early_answer(trace: list[str], early: list[str]) -> None:
    assert answers_before_their_flush("\n".join(trace)) == early


def test_every_write_is_a_crash_point(tmp_path: Path, strace: str) -> None:
    points = random.sample(range(1, LAST_POINT), min(CRASH_POINTS, LAST_POINT - 1))
    killed = acknowledged = 0
    for point in points:
        path = tmp_path / str(point) / "log.db"
        path.parent.mkdir()
        calls = "inject=pwrite64,fdatasync,ftruncate:signal=SIGKILL:when="
        kill = (strace, "-f", "-qq", "-o", "/dev/null", "-e", f"{calls}{point}")
        code, said = run_child(STEPPER, path, under=kill)
        killed += code != 0
        acknowledged += len(said.splitlines())
        check_what_was_said(path, said.splitlines())
    print(f"\n{len(points)} crash points, {killed} killed, {acknowledged} acknowledged writes")
    assert killed
    assert acknowledged


def check_what_was_said(path: Path, said: list[str]) -> None:
    appended = sum(line.startswith("appended") for line in said)
    committed = sum(line.startswith("committed") for line in said)
    log = SqliteLog.open(path)
    stored = [s.key for s in log.scan(TopicPartition(RAW, 0), 0, 100)]
    outputs = [s.key for s in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 100)]
    done = [int(s.value or b"") + 1 for s in log.load(TopicPartition(STATE, 0))]
    assert stored == [str(n) for n in range(len(stored))]
    assert appended <= len(stored) <= appended + 1
    assert committed <= len(outputs) <= committed + 1
    assert outputs == stored[: log.committed("g").get(TopicPartition(RAW, 0), 0)]
    assert done == ([len(outputs)] if outputs else [])
    log.append([raw("r", "life goes on")])
    log.close()


def test_a_full_disk_refuses_loses_nothing_and_is_left_behind(tmp_path: Path) -> None:
    code, said = run_child(DISK_FILLER, tmp_path / "log.db")
    assert code == 0
    assert 0 < int(said) < 100


def test_a_backup_taken_under_load_is_one_moment_of_the_log(tmp_path: Path) -> None:
    log, stop = SqliteLog.open(tmp_path / "log.db"), threading.Event()
    log.append([raw("r", "0"), row("count", "0")])

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            log.append([raw("r", str(number)), row("count", str(number))])

    writer = threading.Thread(target=write)
    writer.start()
    for copied in range(3):
        before = log.ends(RAW)[0]
        run_child(BACKUP, tmp_path / "log.db", tmp_path / f"copy{copied}.db")
        check_copy(tmp_path / f"copy{copied}.db", before)
    stop.set()
    writer.join()
    log.close()


def check_copy(path: Path, at_least: int) -> None:
    copy = SqliteLog.open(path)
    keys = [s.key for s in copy.scan(TopicPartition(RAW, 0), 0, 10**6)]
    (count,) = [s.value for s in copy.load(TopicPartition(STATE, 0))]
    copy.close()
    assert keys == [str(n) for n in range(len(keys))]
    assert len(keys) >= at_least
    assert count == str(len(keys) - 1).encode()
