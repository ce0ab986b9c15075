"""Records that somebody else wrote into our topics: each costs itself, on every topic that is read at large."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from structlog.testing import capture_logs

from adapters.common.feed import FeedIdentity
from adapters.elvis import state
from bus.memory import MemoryLog
from bus.port import Record, Stored
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.encounter import Phase
from tests.wardbridge.test_census import stored, view
from tests.wardbridge.test_forgetting import log_of, stay
from tests.wardbridge.test_http import OPEN, notice, row
from tests.wardbridge.test_identities import alias_record, described, record, stands_for
from tests.wardbridge.test_lookup import as_stored
from wardbridge.logstore.revisions import newest_of, revised
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.broadcaster import Broadcaster
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.identities import Identities
from wardbridge.readmodels.log_follower import News
from wardbridge.runtime.demographics_retention import forget
from wardbridge.runtime.service import write_authority

JUNK: Final = {
    "nothing": b"",
    "no JSON": b"\xff\x00{",
    "another shape": b'{"sequence": "x", "ward": 7}',
    "a number": b"17",
    "a list": b"[[[[]]]]",
    "a future version": b'{"type": "inbound", "version": 99}',
}
NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)


def made() -> Broadcaster:
    census = Census(lambda _: "ehr")
    return Broadcaster(Board(), known=Disclosure(census, OPEN, Identities(census.aliases)))


def junk(good: Stored, value: bytes) -> Stored:
    return good._replace(value=value, offset=good.offset + 1)


GOOD: Final[dict[str, Callable[[], Stored]]] = {
    "rows": lambda: as_stored(row("MED", "1")),
    "notices": lambda: as_stored(notice("MED", 1)),
    "encounters": lambda: stored(view("1")),
    "patients": lambda: as_stored(record(described(0, "key-p", "ehr"))),
    "aliases": lambda: as_stored(alias_record(stands_for("key-p", "key-x"))),
}


@pytest.mark.parametrize("said", JUNK)
@pytest.mark.parametrize("topic", [*GOOD, "acknowledgements"])
def test_lists_and_streams_have_everything_but_the_record_itself(topic: str, said: str) -> None:
    good = GOOD.get(topic, GOOD["rows"])()
    bad = junk(good, JUNK[said])
    around = News(rows=(as_stored(row("MED", "2")),), notices=(as_stored(notice("KIR", 1)),))
    hub = made()
    with capture_logs() as journal:
        hub.take(News(**{topic: (bad,)}))
        hub.take(around)
    assert hub.board.open_designations() == 1
    assert hub.board.history("KIR") is not None
    if topic != "patients":  # nobody is known by such a row
        (line,) = [each for each in journal if each["event"] == "record_unreadable"]
        assert (line["topic"], line["offset"]) == (bad.topic, bad.offset)
        assert hub.readable.passed_over == 1


@pytest.mark.parametrize("said", JUNK)
@pytest.mark.parametrize("topic", GOOD)
def test_what_was_known_before_is_known_after(topic: str, said: str) -> None:
    """A row that cannot be read changes nothing of the row that it would have replaced."""
    hub, untouched = made(), made()
    good = GOOD[topic]()
    for each in (hub, untouched):
        each.take(News(**{topic: (good,)}))
    hub.take(News(**{topic: (junk(good, JUNK[said]),)}))
    assert hub.board.open_designations() == untouched.board.open_designations()
    assert hub.board.wards() == untouched.board.wards()


@pytest.mark.parametrize("said", JUNK)
def test_authority_that_cannot_be_read_is_written_anew(said: str) -> None:
    log = log_of(Record(topics.AUTHORITY, "lab", "lab", JUNK[said]))
    entry = AuthorityEntry(scope="realm", name="", source="ehr", effective_at=None)
    timeline = Authority(realm="lab", entries=(entry,))
    assert write_authority(log, [timeline]) == ["lab"]
    assert write_authority(log, [timeline]) == []


@pytest.mark.parametrize("said", JUNK)
def test_a_revision_that_cannot_be_read_stops_no_feed(said: str) -> None:
    log = MemoryLog()
    feed = FeedIdentity("hl7", "ehr", "lab")
    first = revised(log, feed, "one", lambda: NOW)
    log.append([Record(topics.REVISIONS, "hl7", "hl7|x|y", JUNK[said])])
    assert revised(log, feed, "one", lambda: NOW) == first
    assert revised(log, feed, "two", lambda: NOW).revision == first.revision + 1
    newest = newest_of(log, "hl7")
    assert newest is not None
    assert newest.fingerprint == "two"


@pytest.mark.parametrize("said", JUNK)
def test_an_encounter_that_cannot_be_read_ends_no_forgetting(said: str) -> None:
    log = log_of(
        record(described(0, "key-1", "ehr")), stay("key-1", Phase.DISCHARGED),
        Record(topics.ENCOUNTERS, "lab", "lab|ehr|x", JUNK[said]),
    )  # fmt: skip
    assert forget(log, timedelta(days=1), NOW) == 1


KEYS: Final = (
    "",
    "elvis",
    "elvis|",
    "elvis|scope",
    "elvis|scope|",
    "elvis|nothing|x",
    "|||",
    "other|scope|x",
)


@pytest.mark.parametrize("said", JUNK)
@pytest.mark.parametrize("key", [*KEYS, "elvis|patient|x", "elvis|file|x", "elvis|scope|x"])
def test_a_snapshot_row_that_cannot_be_read_stops_no_feed(key: str, said: str) -> None:
    bad = Stored(topics.SNAPSHOTS, 0, 0, key, JUNK[said], (), 0)
    assert state.load("elvis", [bad]) == state.SnapshotState()
