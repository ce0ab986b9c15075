"""How long a 5,000-bed snapshot takes: parsed, compared, committed; three kinds of snapshot.

The log is SQLite in a temporary directory. The budget is for the snapshot that follows another,
one bed in ten changed; the first one of an empty log is shown beside it.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.elvis import state as snapshot_state
from adapters.elvis.format import ExportFormat
from adapters.elvis.handle import handle, incoming, make_context, records_of
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import SnapshotState
from bus.sqlite import SqliteLog
from schemas.ward import WardRegister
from wardbridge.bench.figure import Figure

BEDS = 5000
WARDS = 200
OCCUPIED_SHARE = 0.9
CHANGED_SHARE = 0.05
ROUNDS = 7
FLOOR_S, AIM_S = 0.3, 0.1
FORM = ExportFormat()
NOON = datetime(2026, 3, 2, 11, tzinfo=UTC)

Beds = list[str | None]
"""The patient in each bed, by a local number with an assigner of its own."""


def beds(generator: random.Random) -> Beds:
    """Every bed, nine in ten occupied."""
    return [
        f"BENCH-{number:06d}" if generator.random() < OCCUPIED_SHARE else None
        for number in range(BEDS)
    ]


def some_moved(before: Beds, generator: random.Random) -> Beds:
    """One bed in twenty changes its patient for another's."""
    after = list(before)
    for _ in range(int(BEDS * CHANGED_SHARE)):
        one, other = generator.randrange(BEDS), generator.randrange(BEDS)
        after[one], after[other] = after[other], after[one]
    return after


def payload(patients: Beds, at: datetime) -> bytes:
    """The export file in the reference format."""
    rows = (_row(bed, patient) for bed, patient in enumerate(patients))
    wards = ",".join(f"A{number}" for number in range(WARDS))
    local = at + timedelta(hours=1)
    head = [f"Exporttid;{local:%Y-%m-%d %H:%M:%S}", "Sjukhus;Bänken", f"Avdelningar;{wards}"]
    names = ";".join(FORM.columns.named().values())
    return "\r\n".join([*head, names, *rows, f"Antal rader;{BEDS}", ""]).encode("windows-1252")


def _row(bed: int, patient: str | None) -> str:
    ward = f"A{bed % WARDS}"
    if patient is None:
        return f"{ward};{bed};1;;;;;;;;;"
    number = int(patient[-6:])
    admitted = f"2026-02-{1 + number % 28:02d} {number % 24:02d}:{number % 60:02d}"
    leaves = f"2026-03-{3 + number % 20:02d} 11:00"
    return f"{ward};{bed};1;{patient};{ward};{admitted};{leaves};A{number % WARDS};;Nej;Nej;"


class Bench:
    """A feed without its directory, on a real log."""

    def __init__(self, directory: Path) -> None:
        feed = FeedIdentity("elvis", "elvis", "region")
        settings = ElvisSettings(directory=directory)
        keyer = PatientKeyer(b"a secret of the benchmark")
        self._context = make_context(feed, settings, WardRegister(open_register=True), keyer)
        self._log = SqliteLog(directory / "log.sqlite")
        self._state = SnapshotState()

    def take(self, file: bytes, at: datetime) -> tuple[float, float, int]:
        """Seconds to parse and compare, seconds to commit, and how many observations."""
        started = time.perf_counter()
        read = incoming(file, "bench.csv", at, self._context)
        handled = handle(self._state, read, self._context)
        records = records_of(handled, read, self._context.feed)
        decided = time.perf_counter()
        self._log.commit("feed:elvis", {}, records)
        snapshot_state.apply(self._state, handled.change)
        ended = time.perf_counter()
        return decided - started, ended - decided, len(handled.outcome.observations)

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def _times() -> Iterator[datetime]:
    for quarter in range(10_000):
        yield NOON + timedelta(minutes=15 * quarter)


def measure(change: Callable[[Beds, random.Random], Beds]) -> list[tuple[float, float, int]]:
    """The first snapshot of an empty state, then ``ROUNDS`` that follow it."""
    generator, times = random.Random(3), _times()  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        patients, taken = beds(generator), []
        for _ in range(ROUNDS + 1):
            at = next(times)
            taken.append(bench.take(payload(patients, at), at))
            patients = change(patients, generator)
        bench.close()
    return taken


def _figure(what: str, taken: list[tuple[float, float, int]]) -> Figure:
    decide = statistics.median(one[0] for one in taken)
    commit = statistics.median(one[1] for one in taken)
    observed = statistics.median(one[2] for one in taken)
    note = f"{decide:.3f} s decided, {commit:.3f} s committed, {observed:.0f} observations"
    return Figure(f"{BEDS:,}-bed snapshot, {what}", decide + commit, "s", lower=True, note=note)


def figures() -> Iterator[Figure]:
    """Three kinds of snapshot, medians."""
    unchanged = measure(lambda patients, _: patients)
    yield _figure("the first", unchanged[:1])
    yield _figure("nothing changed", unchanged[1:])
    changed = _figure("one bed in ten changed", measure(some_moved)[1:])
    yield changed._replace(floor=FLOOR_S, aim=AIM_S)
