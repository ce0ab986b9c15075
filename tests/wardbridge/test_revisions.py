"""The number of a feed's reading: one for each fingerprint, on every engine, however many start."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.feed import FeedIdentity
from bus.memory import MemoryLog
from bus.port import Log, Record, TopicPartition
from schemas import topics
from schemas.revision import FeedRevision
from tests.bus.engines import ENGINES, Engine, KafkaEngine
from wardbridge.logstore.revisions import newest_of, revised

FEED = FeedIdentity("hl7", "ehr", "lab")
AT = datetime(2026, 1, 15, 8, tzinfo=UTC)


def now() -> datetime:
    return AT


def number(log: Log, fingerprint: str, feed: FeedIdentity = FEED) -> int:
    found = revised(log, feed, fingerprint, now)
    assert (found.name, found.fingerprint) == (feed.name, fingerprint)
    return found.revision


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    kind = ENGINES[request.param]
    made = KafkaEngine(tmp_path, [topics.REVISIONS]) if kind is KafkaEngine else kind(tmp_path)
    yield made
    made.close()


def test_each_new_reading_has_the_next_number_and_the_same_one_keeps_it(engine: Engine) -> None:
    log = engine(2)
    assert newest_of(log, "hl7") is None
    assert [number(log, each) for each in ("a", "a", "b", "b", "a")] == [1, 1, 2, 2, 3]
    other = FeedIdentity("fhir", "ehr", "lab")
    assert number(log, "a", other) == 1, "feeds count each for itself"
    if not isinstance(log, MemoryLog):
        log = engine.reopen(log)
    newest = newest_of(log, "hl7")
    assert newest is not None
    assert (newest.revision, newest.fingerprint) == (3, "a")
    assert number(log, "a") == 3


@pytest.mark.parametrize("starting", [["a"] * 4, ["a", "a", "b", "b"], ["a", "b", "c", "a"]])
def test_processes_that_start_at_once_agree(engine: Engine, starting: Sequence[str]) -> None:
    """All with one fingerprint on its number; two fingerprints never have the same."""
    log = engine(1)
    assert number(log, "old") == 1
    together = threading.Barrier(len(starting))
    found: list[tuple[str, int]] = []

    def start(fingerprint: str) -> None:
        together.wait()
        found.append((fingerprint, number(log, fingerprint)))

    threads = [threading.Thread(target=start, args=(each,)) for each in starting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fingerprint for fingerprint, _ in found) == sorted(starting)
    assert min(n for _, n in found) > 1
    assert len(set(found)) == len({n for _, n in found})
    if len(set(starting)) == 1:
        assert {n for _, n in found} == {2}


class Interleaved(MemoryLog):
    """Lets another process claim between this one's look and its claim, as often as told."""

    def __init__(self, others: Sequence[str]) -> None:
        super().__init__()
        self._others = [*others]

    def append(self, records: Sequence[Record]) -> None:
        if self._others:
            other = self._others.pop()
            number(self, other)
        super().append(records)


@given(st.lists(st.sampled_from("abc"), max_size=6), st.sampled_from("abc"))
def test_whoever_comes_between_no_number_is_given_to_two(others: list[str], own: str) -> None:
    log = Interleaved(others)
    number(log, own)
    first: dict[int, str] = {}
    for row in log.load(TopicPartition(topics.REVISIONS, 0)):
        claim = FeedRevision.model_validate_json(row.value or b"")
        first.setdefault(claim.revision, claim.fingerprint)
    newest = newest_of(log, "hl7")
    assert newest is not None
    assert newest.fingerprint == own
    assert sorted(first) == list(range(1, newest.revision + 1)), "no number is left out"
