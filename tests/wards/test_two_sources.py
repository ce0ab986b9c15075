"""Two sources with the same numbers, visits and ward codes: nobody is mistaken for anybody, and nothing is lost.

What each sends is generated, arrives in any order, half of all pairs within one second, with merges, corrections,
mistakes and repetitions, on each engine, over restarts. Each message ends in a list, in review, or in what is known of
numbers: the counts are printed.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.common.feed import FeedIdentity, Input, envelope_record, patient_records
from adapters.common.keys import PatientKeyer, raw_pointer
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from bus.port import Log, Record, Stored
from bus.records import records_of
from bus.runner import StepRunner
from router.core.partition import RouterState
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.observation import Observation, What
from schemas.review import ReviewItem
from tests.bus.engines import ENGINES, Engine, KafkaEngine
from tests.wards.two_sources import REGISTER, SOURCES, RecordSystem, protected
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.identities import Identities

REALM = "lab"
TOPICS = (
    topics.OBSERVATIONS, topics.PATIENTS, topics.STATE, topics.ENCOUNTERS, topics.DESIGNATIONS,
    topics.INBOUND, topics.AUTHORITY, topics.TICKS, topics.REVIEW, topics.REVIEWED, topics.ALIASES,
)  # fmt: skip
EXAMPLES = {"memory": 60, "sqlite": 12, "kafka": 4}
OpenLog = Callable[[], Log]


@pytest.fixture(params=EXAMPLES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    name = request.param
    made = KafkaEngine(tmp_path, TOPICS) if name == "kafka" else ENGINES[name](tmp_path)
    yield name, made
    made.close()


def lived(random: Random) -> list[RecordSystem]:
    """Both sources, one of which may correct identities by A08."""
    systems = [RecordSystem(name, random, corrects=random.random() < 0.3) for name in SOURCES]
    for _ in range(random.randint(10, 60)):
        random.choice(systems).act()
    return systems


def inputs_of(system: RecordSystem) -> Iterator[tuple[Record, list[Record], list[Observation]]]:
    """Each message as its adapter hands it on, received in the order of sending."""
    profile = Hl7Profile.model_validate(
        tomllib.loads("corrects_patient = true" if system.corrects else "")
    )
    feed = FeedIdentity(system.source, system.source, REALM)
    reader = Hl7Normaliser(feed, profile, REGISTER, PatientKeyer(b"a secret"), describe=True)
    for number, (message, at) in enumerate(system.sent):
        received_at = at + timedelta(seconds=1, microseconds=number)
        outcome = reader.normalise(message, received_at)
        assert outcome.observations, outcome
        assert not outcome.warnings, outcome
        taken = Input(raw_pointer(message, received_at, feed.name), received_at)
        envelope = envelope_record(feed, taken, outcome)
        yield envelope, patient_records(outcome), list(outcome.observations)


def decided(log: Log, random: Random, arriving: Sequence[Record]) -> RouterState:
    """In inputs and batches of some sizes; now and then another process takes over."""
    entries = [AuthorityEntry(scope="hospital", name=name, source=name) for name in SOURCES]
    timeline = Authority(realm=REALM, entries=tuple(entries)).model_dump_json().encode()
    log.append([Record(topics.AUTHORITY, REALM, REALM, timeline)])
    runner, waiting = runner_on(log), list(arriving)
    while waiting:
        size = random.randint(1, 9)
        log.append(waiting[:size])
        del waiting[:size]
        if random.random() < 0.5:
            runner.run_once()
        if random.random() < 0.1:
            log.rewind("router")
            runner = runner_on(log)
    for _ in range(200):
        runner.run_once()
        if not runner.lag():
            break
    return runner._states[0]


def runner_on(log: Log) -> StepRunner[RouterState]:
    return StepRunner(log, "router", RouterStep(REGISTER), _fail)


def _fail(stored: Stored, error: Exception) -> Sequence[Record]:
    raise AssertionError(f"the step raised {error!r} at {stored.topic}/{stored.offset}")


def listed(log: Log) -> dict[tuple[str, str], tuple[str, str, bool]]:
    """(source, visit) -> the ward on whose list it stands, the name that is shown there, and whether marked."""
    board, census = Board(), Census(lambda ward: ward.partition("-")[0])
    known = Disclosure(census, REGISTER, Identities(census.aliases))
    known.take(*(records_of(log, t) for t in (topics.ENCOUNTERS, topics.PATIENTS, topics.ALIASES)))
    for row in records_of(log, topics.INBOUND):
        board.set_row(row)
    found = {}
    for ward in REGISTER.wards:
        for each in board.inbound(ward):
            who = known.beside(each, "identified").patient
            name = who.family or "" if who else ""
            found[each.visit.source, each.visit.visit] = (ward, name, each.protected)
    return found


def place_of(said: Observation, state: RouterState, reviewed: set[str]) -> str:
    """Where one statement ended; "" for nowhere."""
    realm = state.realm(REALM)
    if said.visit is not None:
        visit = realm.visits.get((said.source, said.visit))
        counts = visit is not None and visit.known(said.id) and said.id not in visit.foreign
        return "in a visit" if counts else "in review" if said.id in reviewed else ""
    numbers = realm.numbers_of(said.source)
    if said.what is What.PATIENTS_MERGED:
        return "a merge" if said.id in numbers.bonds.merges else ""
    others = said.patient.other_keys
    is_known = all(numbers.resolve(key) == numbers.resolve(said.patient.key) for key in others)
    return "what is known of numbers" if is_known else ""


def test_no_patient_no_visit_and_no_ward_is_mistaken_and_nothing_is_lost(
    engine: tuple[str, Engine],
) -> None:
    name, made = engine
    counts = Counter[str]()

    @settings(
        max_examples=EXAMPLES[name] * settings().max_examples // 60,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(st.integers(0, 2**64).map(Random))
    def holds(random: Random) -> None:
        systems = lived(random)
        told = [each for system in systems for each in inputs_of(system)]
        random.shuffle(told)
        log = made(1)
        log.append([row for _, rows, _ in told for row in rows])
        state = decided(log, random, [envelope for envelope, _, _ in told])
        expected = {
            (system.source, visit): (ward, person.name, protected(systems, person))
            for system in systems
            for visit, (ward, person) in system.awaited().items()
        }
        assert listed(log) == expected
        review = {row.key: row.value for row in records_of(log, topics.REVIEW)}
        items = [ReviewItem.model_validate_json(value) for value in review.values() if value]
        reviewed = {item.id.rpartition("|")[2] for item in items}
        places = Counter(place_of(said, state, reviewed) for _, _, them in told for said in them)
        assert not places[""], places
        counts.update(places)
        counts["messages"] += len(told)
        counts["on a list"] += len(expected)
        counts["on a list, marked"] += sum(marked for _, _, marked in expected.values())
        for system in systems:
            counts.update({f"did {deed}": count for deed, count in system.did.items()})
        log.close()

    holds()
    print(f"\n{name}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    needed = (
        {"on a list", "on a list, marked", "in review", "a merge"} if name == "memory" else set()
    )
    assert needed <= {what for what, count in counts.items() if count}
