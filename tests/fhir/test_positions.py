"""Where a search stands is durable: an outage or a restart misses nothing that the server still has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from adapters.fhir.client import FhirClient
from adapters.fhir.intake import Intake
from adapters.fhir.lookup import ResourceLookup
from adapters.fhir.poller import Poller
from adapters.fhir.positions import Positions
from adapters.fhir.remote import Remote
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record, Stored, TopicPartition
from bus.sqlite.log import SqliteLog
from schemas import topics
from tests.fhir.lab import Json, encounter, normaliser
from tests.fhir.test_surface import Clock
from tests.support.answering import answering

BASE = "https://ehr.test/r4"
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SEARCH = "Encounter?_lastUpdated=ge{since}"
LOOK_BACK_S, OVERLAP_S = 3_600.0, 300.0


class History:
    """A server that holds an Encounter version for each hour, and may be away."""

    def __init__(self) -> None:
        self.now = NOW
        self.is_away = False
        self.asked: list[datetime] = []
        self.tells = "nothing"
        self.ours = timedelta(0)
        """How far our clock is ahead."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            return httpx.Response(503)
        (text,) = parse_qs(urlsplit(str(request.url)).query)["_lastUpdated"]
        since = datetime.fromisoformat(text.removeprefix("ge"))
        self.asked.append(since)
        hours = range(int((self.now - NOW + timedelta(days=30)).total_seconds()) // 3_600 + 1)
        times = [NOW - timedelta(days=30) + timedelta(hours=hour) for hour in hours]
        stays = [_stay(time) for time in times if since <= time <= self.now]
        entries = [{"resource": each} for each in stays]
        found: Json = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        headers = {}
        if self.tells in {"bundle", "both"}:
            found["meta"] = {"lastUpdated": self.now.isoformat()}
        if self.tells in {"date", "both"}:
            headers["Date"] = format_datetime(self.now, usegmt=True)
        return httpx.Response(200, json=found, headers=headers)

    @property
    def our_now(self) -> datetime:
        return self.now + self.ours


def _stay(time: datetime) -> Json:
    return encounter(
        meta={"versionId": str(int(time.timestamp())), "lastUpdated": time.isoformat()}
    )


class Service:
    """One process of the feed on a log; made anew for a restart."""

    def __init__(self, log: Log, server: History, *searches: str) -> None:
        self.log, self.server = log, server
        remote = Remote(
            base_url=BASE, searches=searches or (SEARCH,), look_back_s=LOOK_BACK_S,
            overlap_s=OVERLAP_S, give_up_s=0.001,
        )  # fmt: skip
        http = answering(server)
        intake = Intake(normaliser(), log, lambda: server.our_now, 10)
        lookup = ResourceLookup(FhirClient(remote, http, _no_sleep), 60, Clock())
        positions = Positions(log, "fhir", BASE)
        self.poller = Poller(remote, lookup, intake, positions, lambda: server.our_now)

    def round(self) -> str | None:
        asyncio.run(self.poller.round())
        return self.poller.failure


async def _no_sleep(_seconds: float) -> None:
    return


def versions(log: Log) -> set[int]:
    """Of all observations in the log."""
    stored = log.scan(TopicPartition(topics.OBSERVATIONS, 0), 0, 10_000)
    envelopes = (json.loads(each.value or b"") for each in stored)
    return {said["stamp"]["sequence"] for each in envelopes for said in each["observations"]}


def hours_since(moment: datetime, until: datetime) -> set[int]:
    first, last = int(moment.timestamp()), int(until.timestamp())
    return set(range(first, last + 1, 3_600))


@pytest.fixture(params=["memory", "sqlite"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restarts]:
    made = Restarts(tmp_path / "log.db" if request.param == "sqlite" else None)
    yield made
    made.log.close()


class Restarts:
    """A log that can be closed and opened again; one in memory stays."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.log: Log = MemoryLog() if path is None else SqliteLog(path)

    def restarted(self) -> Log:
        if self._path is not None:
            self.log.close()
            self.log = SqliteLog(self._path)
        return self.log


def test_an_outage_of_a_week_misses_nothing_whatever_restarts_it_has(logs: Restarts) -> None:
    server = History()
    assert Service(logs.log, server).round() is None
    asked_last = server.asked[-1]
    server.is_away = True
    for hours in (1, 50, 100):
        server.now = NOW + timedelta(hours=hours)
        service = Service(logs.restarted(), server)  # the outage is longer than look_back_s
        assert (service.round() or "").startswith("search 1 of 1: the server: status 503")
        assert (service.round() or "").startswith("search 1 of 1: the server")
    server.is_away = False
    server.now = NOW + timedelta(days=7)
    service = Service(logs.restarted(), server)
    assert service.round() is None
    assert server.asked[-1] == NOW - timedelta(seconds=OVERLAP_S) > asked_last
    assert versions(logs.log) == hours_since(NOW - timedelta(seconds=LOOK_BACK_S), server.now)


def test_a_search_goes_on_where_it_was_and_back_only_with_the_clock(logs: Restarts) -> None:
    server = History()
    service = Service(logs.log, server)
    reached = []
    for minutes in (0, 60, 30, 120):  # the third: our clock was set back
        server.now = NOW + timedelta(minutes=minutes)
        assert service.round() is None
        service = Service(logs.restarted(), server)
        assert service.round() is None
        reached.append(server.asked[-1])
    assert reached == [NOW + timedelta(minutes=each - 5) for each in (0, 60, 30, 120)]


TELLS = ["bundle", "date", "both"]
AHEAD = [timedelta(days=100), timedelta(hours=2), timedelta(hours=-2), timedelta(days=-20_000)]


def misses_nothing(logs: Restarts, server: History) -> None:
    first = NOW - timedelta(seconds=LOOK_BACK_S)
    assert versions(logs.log) >= hours_since(first, server.now)


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("ahead", AHEAD, ids=str)
@pytest.mark.parametrize("wrong_at", [0, 1, 2], ids=["from the first", "amid", "at last"])
def test_a_clock_of_ours_that_is_wrong_for_a_while_passes_over_nothing(
    logs: Restarts, tells: str, ahead: timedelta, wrong_at: int
) -> None:
    server = History()
    server.tells = tells
    for number in range(4):  # an hour apart, with a restart before each
        server.now = NOW + timedelta(hours=number)
        server.ours = ahead if number == wrong_at else timedelta(0)
        assert Service(logs.restarted(), server).round() is None
    misses_nothing(logs, server)
    assert server.asked[-1] <= server.now - timedelta(seconds=OVERLAP_S)


@pytest.mark.parametrize("tells", TELLS)
@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_a_clock_of_ours_that_differs_for_ever_passes_over_nothing(
    logs: Restarts, tells: str, ahead: timedelta
) -> None:
    server = History()
    server.tells, server.ours = tells, ahead
    service = Service(logs.log, server)
    for number in range(4):
        server.now = NOW + timedelta(hours=number)
        assert service.round() is None
        misses_nothing(logs, server)
    assert server.asked[-1] == server.now - timedelta(hours=1, seconds=OVERLAP_S)


@pytest.mark.parametrize("tells", ["nothing", *TELLS])
def test_a_position_that_ran_ahead_is_healed_by_the_next_round(logs: Restarts, tells: str) -> None:
    server = History()
    server.tells = tells
    logs.log.append([Positions(logs.log, "fhir", BASE).record(SEARCH, NOW + timedelta(days=100))])
    assert Service(logs.restarted(), server).round() is None
    latest = NOW - timedelta(seconds=OVERLAP_S)
    assert server.asked == [NOW + timedelta(days=100), latest]
    (reached,) = Positions(logs.log, "fhir", BASE).load().values()
    assert reached == latest


def test_a_search_is_asked_once_a_round_where_no_clock_is_wrong(logs: Restarts) -> None:
    server = History()
    server.tells = "both"
    service = Service(logs.log, server)
    for number in range(3):
        server.now = NOW + timedelta(minutes=number, microseconds=999_999)
        assert service.round() is None
    assert len(server.asked) == 3


def test_each_search_of_each_server_has_a_position_of_its_own(logs: Restarts) -> None:
    server = History()
    Service(logs.log, server).round()
    server.now = NOW + timedelta(days=2)
    other = SEARCH + "&_tag=x"
    assert Service(logs.restarted(), server, SEARCH, other).round() is None
    assert server.asked[-2:] == [
        NOW - timedelta(seconds=OVERLAP_S), server.now - timedelta(seconds=LOOK_BACK_S),
    ]  # fmt: skip
    positions = Positions(logs.log, "fhir", BASE).load()
    assert len(positions) == 2
    assert Positions(logs.log, "fhir", "https://other.test").key(SEARCH) not in positions
    assert Positions(logs.log, "other", BASE).load() == {}


def test_no_search_and_no_patient_stands_in_a_key() -> None:
    positions = Positions(MemoryLog(), "fhir", BASE)
    record = positions.record("Encounter?patient=4711", NOW)
    assert b"4711" not in f"{record.key}".encode() + (record.value or b"")


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b'{"since": 1}', b'{"since": "2026-01-15T12:00:00"}', b"\xff"]
)
def test_a_position_that_cannot_be_read_is_none(value: bytes) -> None:
    server, log = History(), MemoryLog()
    record = Positions(log, "fhir", BASE).record(SEARCH, NOW - timedelta(days=3))
    log.append([record._replace(value=value)])
    assert Service(log, server).round() is None
    assert server.asked == [NOW - timedelta(seconds=LOOK_BACK_S)]


class Unreadable(MemoryLog):
    """A log that does not say what is in it, for a while."""

    fails = True

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        if self.fails:
            raise LogError("away")
        return super().load(at)


def test_nothing_is_asked_while_the_log_does_not_say_from_when() -> None:
    server, log = History(), Unreadable()
    log.append([Positions(log, "fhir", BASE).record(SEARCH, NOW - timedelta(days=3))])
    service = Service(log, server)
    assert service.round() == "the log: LogError"
    assert server.asked == []
    log.fails = False
    assert service.round() is None
    assert server.asked == [NOW - timedelta(days=3)]


class Full(MemoryLog):
    """A log that takes pages and no positions."""

    def submit(self, records: Sequence[Record], on_done: object) -> None:
        if any(record.topic == topics.SNAPSHOTS for record in records):
            raise LogError("no room")
        super().submit(records, on_done)  # type: ignore[arg-type]


def test_a_position_that_could_not_be_written_is_not_gone_on_from() -> None:
    server, log = History(), Full()
    service = Service(log, server)
    for minutes in (0, 60):
        server.now = NOW + timedelta(minutes=minutes)
        assert (service.round() or "").endswith("the log: not-stored")
    assert server.asked == [NOW - timedelta(seconds=LOOK_BACK_S)] * 2


def test_a_search_without_a_moment_has_no_position() -> None:
    log = MemoryLog()
    service = Service(log, History(), "Encounter?_lastUpdated=ge2026-01-15T11:00:00Z")
    assert service.round() is None
    assert sum(log.ends(topics.SNAPSHOTS).values()) == 0
