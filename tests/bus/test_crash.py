"""SIGKILL at random moments: what was acknowledged is there, what was committed is whole.

Three threads append pairs of records and a fourth commits outputs, state and positions, each saying
what was acknowledged; whatever the pipe still held after the kill counts as said.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

from bus.port import TopicPartition
from bus.sqlite import SqliteLog
from schemas.topics import DESIGNATIONS, RAW, REVIEW, STATE

KILLS = int(os.environ.get("WARDBRIDGE_KILLS", "12"))

WRITER = """
import sys, threading
from pathlib import Path
from bus.port import Record, TopicPartition
from bus.sqlite import SqliteLog

log = SqliteLog.open(Path(sys.argv[1]))
said = threading.Lock()

def say(text):
    with said:
        sys.stdout.write(text + "\\n")
        sys.stdout.flush()

def append(worker):
    number = 0
    while True:
        text = f"{sys.argv[2]}:{worker}:{number}"
        log.append([Record("raw", "r", text, text.encode()), Record("review", "r", text, b"x")])
        say(f"appended {text}")
        number += 1

for worker in range(3):
    threading.Thread(target=append, args=(worker,), daemon=True).start()

done = sum(1 for _ in log.scan(TopicPartition("designations", 0), 0, 10**9))
while True:
    batch = log.read("g", ["raw"], 50, 1.0)
    outputs = [Record("designations", "r", s.key, s.value) for s in batch.records]
    done += len(outputs)
    log.commit("g", batch.positions, [*outputs, Record("state", "r", "done", str(done).encode())])
    say(f"committed {done}")
"""


def test_kill(tmp_path: Path) -> None:
    path, appended, committed = tmp_path / "log.db", set[str](), 0
    for round_number in range(KILLS):
        lines = _run_and_kill(path, round_number)
        appended |= {line.split()[1] for line in lines if line.startswith("appended")}
        committed = max([committed, *(int(li.split()[1]) for li in lines if li[0] == "c")])
        _check(path, appended, committed)
    print(f"\n{KILLS} kills, {len(appended)} acknowledged appends, {committed} committed outputs")
    assert len(appended) > KILLS
    assert committed > KILLS


def _run_and_kill(path: Path, round_number: int) -> list[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(round_number)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(random.randint(2, 150))]
    child.kill()
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    return [line for line in lines if line.endswith("\n")]


def _check(path: Path, appended: set[str], committed: int) -> None:
    log = SqliteLog.open(path)
    raw = [s.key for s in log.scan(TopicPartition(RAW, 0), 0, 10**6)]
    out = [s.key for s in log.scan(TopicPartition(DESIGNATIONS, 0), 0, 10**6)]
    counted = {s.key: int(s.value or b"0") for s in log.load(TopicPartition(STATE, 0))}
    assert [s.key for s in log.scan(TopicPartition(REVIEW, 0), 0, 10**6)] == raw
    assert appended <= set(raw)
    assert len(set(raw)) == len(raw)
    position = log.committed("g").get(TopicPartition(RAW, 0), 0)
    assert out == raw[:position]
    assert counted.get("done", 0) == len(out) >= committed
    log.close()
