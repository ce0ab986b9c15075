"""What the SQLite log alone does here: submissions a second, records stepped, loading of state.

``python -m wardbridge.bench.log [FOLDER]`` prints one line a figure; the folder decides which disk
is measured. The senders answer from the log's own thread, so this is what the log can give, before
sockets and parsing.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bus.port import LogError, Record, Stored, TopicPartition
from bus.runner import StepRunner
from bus.sqlite import SqliteLog
from schemas.topics import DESIGNATIONS, OBSERVATIONS, RAW, STATE
from wardbridge.bench.figure import Figure

MESSAGE: Final = b"x" * 700  # an ADT message of a dozen segments
ENVELOPE: Final = b"y" * 900
ROW: Final = b"z" * 300
REALM: Final = "realm"
ROWS_A_CALL: Final = 5_000
ANNOUNCED: Final = 5_000  # designations open at a time: their rows are replaced over and over


def figures(folder: Path, seconds: float = 4.0, rows: int = 1_000_000) -> Iterator[Figure]:
    """Every figure, each on an empty log of its own in ``folder``."""
    for senders in (1, 8, 32):
        what = f"log: submissions of two records, {senders} waiting senders"
        rate = _on_empty_log(folder, lambda log, n=senders: submissions(log, n, seconds))  # type: ignore[misc]
        yield Figure(what, rate, "submissions/s")
    stepped = _on_empty_log(folder, lambda log: stepping(log, 20_000))
    yield Figure("log: step runner, four rows written a record", stepped, "records/s")
    loaded = _on_empty_log(folder, lambda log: loading(log, rows))
    yield Figure(f"log: loading {rows:,} rows of state", loaded, "s")


def _on_empty_log(folder: Path, measure: Callable[[SqliteLog], float]) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        log = SqliteLog.open(Path(place) / "log.db")
        try:
            return measure(log)
        finally:
            log.close()


def submissions(log: SqliteLog, senders: int, seconds: float) -> float:
    """Submissions a second when each sender has one on its way, as a waiting connection has."""
    crowd = _Senders(log, senders, seconds)
    started = time.perf_counter()
    crowd.start()
    crowd.finished.wait()
    return crowd.answered / (time.perf_counter() - started)


class _Senders:
    """Each sends the next submission when its last one is durable."""

    def __init__(self, log: SqliteLog, senders: int, seconds: float) -> None:
        self.finished = threading.Event()
        self.answered = 0
        self._log = log
        self._senders = self._waiting = senders
        self._until = time.perf_counter() + seconds

    def start(self) -> None:
        for _ in range(self._senders):
            self._send()

    def _send(self) -> None:
        raw = Record(RAW, REALM, "raw", MESSAGE, (("feed", b"hl7"),))
        envelope = Record(OBSERVATIONS, REALM, "raw", ENVELOPE, (("type", b"observations.v1"),))
        self._log.submit([raw, envelope], self._answer)

    def _answer(self, error: LogError | None) -> None:
        self.answered += error is None
        if error is None and time.perf_counter() < self._until:
            self._send()
            return
        self._waiting -= 1
        if not self._waiting:
            self.finished.set()


class _SmallStep:
    """Writes as much as the router does: two rows of state, one notification."""

    inputs = (OBSERVATIONS,)
    state_topics = (STATE,)

    def empty(self, partition: int) -> dict[int, int]:
        return {partition: 0}

    def restore(self, state: dict[int, int], stored: Stored) -> None:
        state[stored.partition] += 1

    def decide(self, state: dict[int, int], stored: Stored) -> Sequence[Record]:
        state[stored.partition] += 1
        return (
            Record(STATE, REALM, f"observation|{stored.offset}", ROW),
            Record(STATE, REALM, f"announced|{stored.offset % ANNOUNCED}", ROW),
            Record(DESIGNATIONS, REALM, stored.key, ENVELOPE),
        )


def stepping(log: SqliteLog, records: int) -> float:
    """Records a second through the step runner: read, decided, committed with what they lead to."""
    for start in range(0, records, ROWS_A_CALL):
        keys = range(start, start + ROWS_A_CALL)
        log.append([Record(OBSERVATIONS, REALM, str(key), ENVELOPE) for key in keys])
    runner = StepRunner(log, "router", _SmallStep(), lambda _stored, _error: ())
    started = time.perf_counter()
    while runner.run_once():
        pass
    return records / (time.perf_counter() - started)


def loading(log: SqliteLog, rows: int) -> float:
    """Seconds to stream so many rows of state, as a restart does."""
    for start in range(0, rows, ROWS_A_CALL):
        keys = range(start, start + ROWS_A_CALL)
        log.append([Record(STATE, REALM, f"observation|{key}", ROW) for key in keys])
    started = time.perf_counter()
    count = sum(1 for _ in log.load(TopicPartition(STATE, 0)))
    seconds = time.perf_counter() - started
    if count != rows:
        raise LogError(f"{rows} rows were written and {count} loaded")
    return seconds


def main() -> None:
    """Print the figures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())
    for figure in figures(folder):
        print(f"{figure.what:<60}{figure.value:>12,.1f} {figure.unit}")  # noqa: T201


if __name__ == "__main__":
    main()
