"""An item and its bytes are kept equally long: while it is open, and for some time after its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.memory import MemoryLog
from bus.port import Record
from bus.records import records_of
from schemas import topics
from tests.bus.engines import ENGINES, Engine, KafkaEngine, SqliteEngine
from tests.reviewing.hospital import START, Hospital
from tests.reviewing.saying import record, step
from tests.reviewing.test_replay import Killed, KilledLog
from wardbridge.reviewing.retention import RetentionRound, keep

DAY = timedelta(days=1)
SETTLED_FOR = 30 * DAY
NEEDED = [topic.name for topic in topics.TOPICS]


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path, "AKM", "W1")


def kept_after(hospital: Hospital, days: int) -> RetentionRound:
    hospital.now += days * DAY
    return keep(hospital.log, SETTLED_FOR, hospital.now)


def forget_raw(hospital: Hospital) -> None:
    """As retention does."""
    assert isinstance(hospital.log, MemoryLog)
    hospital.log.forget(topics.RAW)


def keys(hospital: Hospital, topic: str) -> set[str | None]:
    newest = {each.key: each for each in records_of(hospital.log, topic)}
    return {key for key, each in newest.items() if each.value is not None}


def ended(hospital: Hospital, deed: str = "resolved", number: int = 0) -> None:
    item = hospital.open()[number]
    made = step(item.id, "resolved" if deed == "resolved" else "discarded")
    hospital.log.append([record(made.model_copy(update={"at": hospital.clock(), "by": "anna"}))])


def test_the_bytes_of_an_open_item_outlive_the_topic_of_inputs(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    assert kept_after(hospital, 6) == RetentionRound()
    assert kept_after(hospital, 2) == RetentionRound(copied=1)
    assert kept_after(hospital, 1) == RetentionRound(), "once"
    forget_raw(hospital)
    assert kept_after(hospital, 400) == RetentionRound(), "for as long as it is open"
    hospital.restart("AKM", "W1", "W9")
    (planned,), _ = hospital.plan()
    assert planned.cannot is None


def test_what_was_down_for_long_looks_for_nothing_that_is_gone(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    forget_raw(hospital)
    assert kept_after(hospital, 10) == RetentionRound()
    assert kept_after(hospital, 100) == RetentionRound()
    assert len(hospital.open()) == 1


@pytest.mark.parametrize("deed", ["resolved", "discarded"])
def test_a_settled_item_goes_with_its_bytes_and_what_was_done_about_it(
    hospital: Hospital, deed: str
) -> None:
    hospital.say("A14", "V1", "W9")
    kept_after(hospital, 8)
    ended(hospital, deed)
    forget_raw(hospital)
    assert kept_after(hospital, 29) == RetentionRound()
    assert len(keys(hospital, topics.REVIEW)) == len(keys(hospital, topics.HELD)) == 1
    assert kept_after(hospital, 2) == RetentionRound(released=1, removed=1)
    for topic in (topics.REVIEW, topics.REVIEWED, topics.HELD):
        assert keys(hospital, topic) == set()
    assert kept_after(hospital, 1) == RetentionRound()


def test_what_is_settled_early_is_kept_with_its_bytes_too(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    ended(hospital)
    assert kept_after(hospital, 8) == RetentionRound(copied=1)
    assert kept_after(hospital, 30) == RetentionRound(released=1, removed=1)


def test_bytes_that_another_item_needs_stay(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    (item,) = hospital.open()
    hospital.log.append([record(item.model_copy(update={"id": "x", "reason": "of-the-same"}))])
    kept_after(hospital, 8)
    ended(hospital)
    assert kept_after(hospital, 31) == RetentionRound(removed=1)
    assert len(keys(hospital, topics.HELD)) == 1
    assert len(hospital.open()) == 1


def test_what_is_said_again_all_the_time_stays_discarded(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    ended(hospital, "discarded")
    for _ in range(5):
        hospital.restart("AKM", "W1")
        hospital.now += 20 * DAY
        hospital.say("A14", "V1", "W9")
        assert hospital.open() == []
        kept_after(hospital, 0)
    kept_after(hospital, 31)
    assert keys(hospital, topics.REVIEW) == set()


def test_what_opens_again_while_it_is_removed_is_not_lost(tmp_path: Path) -> None:
    log = Interrupted()
    hospital = Hospital(tmp_path, "AKM", "W1", log=log)
    log.clock = hospital.clock
    hospital.say("A14", "V1", "W9")
    ended(hospital)
    hospital.now += 31 * DAY
    hospital.restart("AKM", "W1")
    log.meanwhile = lambda: hospital.say("A14", "V1", "W9")
    assert keep(log, SETTLED_FOR, hospital.now).removed == 1
    assert hospital.reasons() == ["ward-unknown"]


class Interrupted(MemoryLog):
    """Something else happens before the first removal."""

    meanwhile: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: START
        super().__init__(clock_ms=lambda: int(self.clock().timestamp() * 1000))

    def append(self, records: Sequence[Record]) -> None:
        if self.meanwhile and any(each.value is None for each in records):
            act, self.meanwhile = self.meanwhile, None
            act()
        super().append(records)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("lives", range(1, 4))
def test_killed_at_any_moment_the_next_round_completes_it(
    tmp_path: Path, lives: int, *, after: bool
) -> None:
    log = KilledLog()
    hospital = Hospital(tmp_path, "AKM", "W1", log=log)
    for visit in ("V1", "V2"):
        hospital.say("A14", visit, "W9")
    kept_after(hospital, 8)
    ended(hospital)
    for visit in ("V3", "V4"):
        hospital.say("A14", visit, "W9")
    hospital.now += 31 * DAY
    log.lives, log.after = lives, after
    with suppress(Killed):
        kept_after(hospital, 0)
    log.lives = -1
    kept_after(hospital, 0)
    assert len(hospital.open()) == len(keys(hospital, topics.REVIEW)) == 3
    assert len(keys(hospital, topics.HELD)) == 1, "of the others the bytes are gone by now"


def test_what_this_version_cannot_read_is_left_alone(hospital: Hospital) -> None:
    hospital.log.append([Record(topics.REVIEW, "lab", "x", b'{"version": 99}')])
    assert kept_after(hospital, 400) == RetentionRound()
    assert keys(hospital, topics.REVIEW) == {"x"}


@pytest.fixture(params=["sqlite", "kafka"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kind = ENGINES[request.param]
    made = KafkaEngine(tmp_path, NEEDED) if kind is KafkaEngine else kind(tmp_path)
    yield made
    made.close()


def test_on_every_engine(engine: Engine, tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    if isinstance(engine, SqliteEngine):
        engine.clock.now_ms = int(start.timestamp() * 1000)
    hospital = Hospital(tmp_path, "AKM", "W1", log=engine(1), start=start)
    for visit in ("V1", "V2"):
        hospital.say("A14", visit, "W9")
    assert kept_after(hospital, 8) == RetentionRound(copied=2)
    ended(hospital)
    assert kept_after(hospital, 31) == RetentionRound(released=1, removed=1)
    assert len(keys(hospital, topics.HELD)) == len(hospital.open()) == 1
    assert keys(hospital, topics.REVIEWED) == set()
