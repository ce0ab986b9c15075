"""What the router does a second, in memory and committed; restart with 100,000 open visits.

Each visit is designated and arrives over and over, so that most records lead to a notice or end one.
The restart runs in a process of its own, so that its memory can be told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from bus.port import Log, Record, Stored
from bus.runner import StepRunner
from bus.sqlite import SqliteLog
from router.core.facts import fact_of, row_of
from router.core.held_visit import Visit
from router.core.partition import RouterState
from router.core.state import Realm
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.observation import (
    Claims,
    Envelope,
    Location,
    Observation,
    OrderStamp,
    Patient,
    Rank,
    RawPointer,
    What,
)
from schemas.ward import WardRegister
from wardbridge.bench.engine import Engine
from wardbridge.bench.figure import Figure
from wardbridge.bench.memory import peak_mb
from wardbridge.routing.ticker import ticks

REALM, SOURCE, GROUP = "bench", "ehr", "router"
VISITS, FACTS = 100_000, 10
RATE_VISITS = 2_000
RECORDS_A_CALL = 5_000
WARDS = 40
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
DEEDS = (What.ADMITTED, What.TRANSFER_PLANNED, What.UPDATED, What.UPDATED, What.TRANSFERRED)
"""What a visit's observations are, over and over: each round designates and arrives."""


def key(*parts: object) -> str:
    """As long as a real id or patient key."""
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def claims(what: What, visit: int, number: int) -> Claims:
    """Those that such an observation usually carries."""
    ward = f"W{(visit + number // len(DEEDS)) % WARDS}"
    if what is What.TRANSFER_PLANNED:
        return Claims(mark=Location(ward=ward), expected_at=START)
    place = "AKM" if what is What.ADMITTED else ward
    if what is What.UPDATED:
        return Claims(visit_class="I", admitting_doctor="D1")
    return Claims(place=Location(ward=place, room="3", bed="2"), visit_class="I")


def observation(visit: int, number: int) -> Observation:
    """One of a visit's."""
    what, at = DEEDS[number % len(DEEDS)], START + timedelta(minutes=number)
    return Observation(
        id=key(visit, number),
        source=SOURCE,
        feed="hl7",
        what=what,
        trigger="A00",
        shape="event",
        visit=f"V{visit:08d}",
        patient=Patient(key=key("patient", visit), identifiers=()),
        claims=claims(what, visit, number),
        recorded_at=at,
        recorded_rule="EVN-2",
        stamp=OrderStamp(at=at, sequence=number, rank=Rank.MOVEMENT, received_at=at),
    )


def envelope(said: Observation) -> Record:
    """An input of its own, as HL7 messages are."""
    raw = RawPointer(id=said.id, sha256="0" * 64, size=900)
    whole = Envelope(
        realm=REALM, source=SOURCE, feed="hl7", received_at=said.recorded_at, raw=raw,
        observations=(said,),
    )  # fmt: skip
    return Record(topics.OBSERVATIONS, REALM, said.id, whole.to_json())


def inputs() -> list[Record]:
    """The visits side by side, as they come in a hospital."""
    authority = Authority(
        realm=REALM, entries=(AuthorityEntry(scope="realm", name="", source=SOURCE),)
    )
    value = authority.model_dump_json().encode()
    told = [envelope(observation(v, n)) for n in range(FACTS) for v in range(RATE_VISITS)]
    return [Record(topics.AUTHORITY, REALM, REALM, value), *told]


def new_step() -> RouterStep:
    """Over an open register, as wards are of no matter here."""
    return RouterStep(WardRegister(open_register=True))


def runner_on(log: Log) -> StepRunner[RouterState]:
    """The service's runner; a step that raises ends the benchmark."""
    return StepRunner(log, GROUP, new_step(), _fail)


def _fail(_stored: Stored, error: Exception) -> Sequence[Record]:
    raise error


def decisions_per_s_in_memory(records: Sequence[Record]) -> float:
    """Bytes of an envelope to decided records, one core."""
    step = new_step()
    state = step.empty(0)
    began = time.perf_counter()
    for offset, record in enumerate(records):
        step.decide(state, Stored(record.topic, 0, offset, record.key, record.value, (), 0))
    return len(records) / (time.perf_counter() - began)


def decisions_per_s_committed(log: Log, records: Sequence[Record]) -> float:
    """Read, decided and committed through the runner."""
    for start in range(0, len(records), RECORDS_A_CALL):
        log.append(records[start : start + RECORDS_A_CALL])
    runner = runner_on(log)
    runner.run_once()  # a member joins its group, state is loaded
    handled = runner.figures().records
    began = time.perf_counter()
    while runner.run_once():
        pass
    return (len(records) - handled) / (time.perf_counter() - began)


def state_rows() -> Iterator[Record]:
    """The state of so many open visits, as the router writes it."""
    realm = Realm(REALM)
    for number in range(VISITS):
        visit = Visit(SOURCE, f"V{number:08d}")
        for place in range(FACTS):
            fact = fact_of(observation(number, place))
            yield Record(topics.STATE, REALM, realm.fact_key(visit, fact), row_of(fact))


def fill(path: Path) -> None:
    """A log that holds them."""
    log, rows = SqliteLog.open(path), state_rows()
    while chunk := list(islice(rows, 5000)):
        log.append(chunk)
    log.close()


def restart(path: Path) -> dict[str, float]:
    """In a process of its own: until the first batch is read and the first tick decided, and the most memory."""
    before_mb = peak_mb()
    log = SqliteLog.open(path)
    began = time.perf_counter()
    runner = runner_on(log)
    runner.run_once()
    took_s = time.perf_counter() - began
    log.append(ticks([REALM], START + timedelta(days=1), 10.0))
    began, longest_s, rounds = time.perf_counter(), 0.0, 0
    while (
        runner.run_once()
    ):  # the register is another one: everybody who is marked is looked at again
        rounds, now = rounds + 1, time.perf_counter()
        longest_s, began = max(longest_s, now - began), now
    log.close()
    return {
        "seconds": took_s, "mb": peak_mb(), "of_that_mb_before": before_mb,
        "longest_tick_ms": 1000 * longest_s, "ticks": rounds,
    }  # fmt: skip


def figures(engine: Engine) -> Iterator[Figure]:
    """Decisions a second."""
    records = inputs()
    yield Figure("router: decided in memory", decisions_per_s_in_memory(records), "records/s")
    with tempfile.TemporaryDirectory() as folder, closing(engine.open(Path(folder))) as log:
        rate = decisions_per_s_committed(log, records)
    what = f"router: observation to committed decision, {engine.name}"
    yield Figure(what, rate, "records/s", 3_000, 5_000 if engine.brokers else 10_000)


def restart_figures() -> Iterator[Figure]:
    """Until the first batch is read, and the memory it takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "restart.db"
        fill(path)
        command = [sys.executable, "-m", "wardbridge.bench.routing", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    what = f"restart with {VISITS:,} visits of {FACTS} observations"
    yield Figure(what, found["seconds"], "s", 15, 5, lower=True)
    note = f"{found['of_that_mb_before']:.0f} MB of it before the start"
    yield Figure(what, found["mb"], "MB", 800, 400, lower=True, note=note)
    what, note = "another register: longest tick after that restart", f"of {found['ticks']:.0f}"
    yield Figure(what, found["longest_tick_ms"], "ms", 250, 100, lower=True, note=note)


if __name__ == "__main__":
    print(json.dumps(restart(Path(sys.argv[1]))))  # noqa: T201
