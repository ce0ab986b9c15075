"""The composition root: what it writes at the start, what ends it, in which order it ends."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.common.configured import SettingsKind
from bus.memory import MemoryLog
from bus.port import LogError, Record, Stored, TopicPartition
from bus.sqlite import SqliteLog
from schemas import topics
from schemas.authority import Authority, AuthorityEntry, Tick
from tests.wardbridge.support import configured, in_process
from wardbridge.api import app
from wardbridge.api.metrics import ViewCollector
from wardbridge.config.load import load
from wardbridge.ingest import kinds
from wardbridge.ingest.kind import FeedEnvironment, FeedKind, FeedStatus, ReadingContext
from wardbridge.logstore.log import log_path
from wardbridge.routing.step import review_of_failure
from wardbridge.routing.ticker import Ticker
from wardbridge.runtime import roles
from wardbridge.runtime import service as service_module
from wardbridge.runtime.demographics_retention import Forgetting
from wardbridge.runtime.roles import Role
from wardbridge.runtime.service import Service, write_authority

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
OBSERVATIONS = TopicPartition(topics.OBSERVATIONS, 0)
ELVIS = "elvis-directory"


@dataclass
class FakeFeed:
    """A feed that does nothing but keep account."""

    state: FeedStatus = field(default_factory=FeedStatus)
    refuses: bool = False
    calls: list[str] = field(default_factory=list)
    log: MemoryLog = field(default_factory=MemoryLog)

    async def start(self) -> None:
        self.calls.append("start")
        if self.refuses:
            raise OSError("port taken")

    async def stop(self) -> None:
        self.calls.append("stop")

    def status(self) -> FeedStatus:
        return self.state


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> FakeFeed:
    """Stands in for the lab's directory feed, over a log that needs no processes."""
    fake = FakeFeed()

    def make(_reading: ReadingContext, _place: FeedEnvironment, _settings: Any) -> FakeFeed:
        return fake

    kind = kinds.KINDS[ELVIS]
    settings = SettingsKind(settings=kind.configured.settings)
    replaced = FeedKind(configured=settings, make=make, outcomes=kind.outcomes)
    monkeypatch.setattr(roles, "KINDS", {**kinds.KINDS, ELVIS: replaced})
    monkeypatch.setattr(service_module, "open_log", lambda _installation: fake.log)
    return fake


def installed(folder: Path, added: str = "") -> Service:
    text = in_process().replace("port = 8080", "port = 1") + f"\n{added}"
    installation = load(configured(folder, text), folder / "data", {})
    return Service(installation, port_offset=unused_port() - 1)


def unused_port() -> int:
    async def bound() -> int:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            return int(server.sockets[0].getsockname()[1])

    return asyncio.run(bound())


def run(service: Service, *, told_to_stop: bool) -> int:
    async def running() -> int:
        stop = asyncio.Event()
        if told_to_stop:
            stop.set()
        return await service.run(stop)

    return asyncio.run(running())


def test_told_to_stop_it_drains_and_ends_with_zero(feed: FakeFeed, tmp_path: Path) -> None:
    assert run(installed(tmp_path), told_to_stop=True) == 0
    assert feed.calls == ["start", "stop"]


@pytest.mark.parametrize(
    ("added", "kept_for"),
    [
        ("", None),
        ("[identities]\nforget_after_days = 2\n", None),
        ("[identities]\nkeep = true\n", timedelta(days=7)),
        ("[identities]\nkeep = true\nforget_after_days = 2\n", timedelta(days=2)),
    ],
)
def test_who_the_patients_are_is_kept_as_long_as_configured(
    feed: FakeFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str, kept_for: Any
) -> None:
    told: list[tuple[object, object]] = []

    class Told(Forgetting):
        def __init__(self, log: Any, kept_for: Any, clock: Any) -> None:
            told.append((log, kept_for))
            super().__init__(log, kept_for, clock)

    monkeypatch.setattr(service_module, "Forgetting", Told)
    assert run(installed(tmp_path, added), told_to_stop=True) == 0
    assert told == [(feed.log, kept_for)]


@pytest.mark.parametrize("roles", [None, ["http"], ["router", "http"], ["http", "delivery"]])
def test_no_metric_is_told_twice(
    feed: FakeFeed, tmp_path: Path, roles: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    collectors: list[ViewCollector] = []

    class Kept(ViewCollector):
        def __init__(self, *of: Any) -> None:
            super().__init__(*of)
            collectors.append(self)

    monkeypatch.setattr(app, "ViewCollector", Kept)
    service = installed(tmp_path, "[identities]\nkeep = true\n")
    if roles is not None:
        service = Service(
            service._installation, roles=frozenset(map(Role, roles)), port_offset=unused_port() - 1
        )
    (tmp_path / "data").mkdir()
    parts = service._parts(feed.log)
    assert parts
    (collector,) = collectors
    told = [
        (sample.name, *sorted(sample.labels.items()))
        for metric in collector.collect()
        for sample in metric.samples
    ]
    assert [each for each, times in Counter(told).items() if times > 1] == []
    assert ("wardbridge_component_ready", ("component", "progress")) in told


def test_a_feed_that_cannot_start_ends_neither_the_service_nor_its_start(
    feed: FakeFeed, tmp_path: Path
) -> None:
    feed.refuses = True
    assert run(installed(tmp_path), told_to_stop=True) == 0
    assert feed.calls == ["start", "stop"]
    with pytest.raises(LogError, match="closed"):
        feed.log.append([Record(topics.RAW, "lab", "id", b"bytes")])


def test_the_configured_authority_is_written_when_it_differs_from_the_last() -> None:
    log = MemoryLog()
    first = Authority(realm="lab", entries=(AuthorityEntry(scope="realm", source="ehr"),))
    second = Authority(realm="lab", entries=(AuthorityEntry(scope="realm", source="elvis"),))
    written = [write_authority(log, [timeline]) for timeline in (first, first, second, first)]
    assert written == [["lab"], [], ["lab"], ["lab"]]
    assert log.ends(topics.AUTHORITY) == {0: 3}


def test_it_ticks_at_once_for_every_realm() -> None:
    log = MemoryLog()
    ticker = Ticker(log, ["north", "south"], 3600, lambda: AT)

    async def check() -> None:
        await ticker.start()
        await asyncio.to_thread(log.wait, [topics.TICKS], {}, 10)
        assert ticker.blocking() is None
        await ticker.stop()
        assert ticker.failure() is None

    asyncio.run(check())
    said = [Tick.model_validate_json(r.value or b"") for r in log.scan(ticks_at(), 0, 9)]
    assert [(tick.realm, tick.at) for tick in said] == [("north", AT), ("south", AT)]


def ticks_at() -> TopicPartition:
    return TopicPartition(topics.TICKS, 0)


def test_a_tick_that_the_log_refuses_shows_and_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    asked = asyncio.Event()

    async def check() -> None:
        loop = asyncio.get_running_loop()

        def refuse(*_: object) -> None:
            loop.call_soon_threadsafe(asked.set)
            raise LogError("full")

        monkeypatch.setattr(log, "append", refuse)
        ticker = Ticker(log, ["lab"], 0.001, lambda: AT)
        await ticker.start()
        for _ in range(3):
            await asked.wait()
            asked.clear()
        assert (ticker.blocking(), ticker.failure()) == ("LogError: full", None)
        await ticker.stop()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("value", "realm"), [(b'{"realm": "lab"}', "lab"), (b"not json", ""), (b"[]", "")]
)
def test_a_record_at_which_the_router_fails_goes_to_review(value: bytes, realm: str) -> None:
    stored = Stored(*OBSERVATIONS, 7, "key", value, (), 1_768_464_000_000)
    (record,) = review_of_failure(stored, ZeroDivisionError("secret"))
    assert (record.topic, record.route) == (topics.REVIEW, realm)
    assert b'"reason":"router-fault"' in (record.value or b"")
    assert b"ZeroDivisionError" in (record.value or b"")
    assert b"secret" not in (record.value or b"")


def test_what_cannot_be_decided_in_time_is_left_for_the_next_start_and_told(
    feed: FakeFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise LogError("no room")

    monkeypatch.setattr(MemoryLog, "commit", never)
    text = in_process().replace("port = 8080", "port = 1") + "\n[shutdown]\ndrain_s = 0.05\n"
    installation = load(configured(tmp_path, text), tmp_path / "data", {})
    service = Service(installation, port_offset=unused_port() - 1)
    assert run(service, told_to_stop=True) == 1
    assert feed.calls == ["start", "stop"]


def test_a_port_that_does_not_exist_is_told(feed: FakeFeed, tmp_path: Path) -> None:
    text = in_process().replace("port = 8080", "port = 60000")
    installation = load(configured(tmp_path, text), tmp_path / "data", {})
    with pytest.raises(OSError, match="choose a smaller --port-offset"):
        run(Service(installation, port_offset=10_000), told_to_stop=True)
    assert feed.calls == []


def test_a_start_that_broke_off_before_the_secret_was_made_can_be_made_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    SqliteLog.open(log_path(tmp_path / "data")).close()
    assert run(installed(tmp_path), told_to_stop=True) == 0
    assert (tmp_path / "data" / "patient.key").exists()


def test_beside_a_log_with_inputs_no_secret_is_made_and_the_service_starts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    log = SqliteLog.open(log_path(tmp_path / "data"))
    log.append([Record(topics.RAW, "lab", "id", b"bytes")])
    log.close()
    assert run(installed(tmp_path), told_to_stop=True) == 0
    assert not (tmp_path / "data" / "patient.key").exists()
