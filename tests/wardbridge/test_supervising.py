"""Each feed is supervised for itself: it comes back, it is said once, and its neighbours do not notice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from structlog.testing import capture_logs

from bus.sqlite import SqliteLog
from tests.wardbridge.support import EXPORT, configured, in_process, lab_text
from wardbridge.api.view import View
from wardbridge.config.load import load
from wardbridge.config.models import PATIENT_KEY_NAME, Installation
from wardbridge.ingest import component as feed_module
from wardbridge.ingest.component import FeedComponent
from wardbridge.ingest.kind import FeedStatus
from wardbridge.logstore.log import log_path
from wardbridge.parts import steadiness
from wardbridge.parts.steadiness import STEADY_S, ConditionChange, PartCondition
from wardbridge.parts.together import Together
from wardbridge.runtime import processes as worker_module
from wardbridge.runtime.processes import Job, RemoteFeed, WorkerProcess
from wardbridge.runtime.roles import Role, processes_of
from wardbridge.security.secret import made_once

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
SOON_S = 20.0


class Scripted:
    """A feed that does what each of its lives is told to."""

    def __init__(self, *lives: str) -> None:
        self._lives = list(lives)
        self.made = 0
        self.stopped = 0
        self.now = "well"

    def make(self) -> Scripted:
        self.made += 1
        self.now = self._lives.pop(0) if self._lives else "well"
        if self.now == "cannot be made":
            raise FileNotFoundError(2, "No such file or directory", "gone.pem")
        if self.now == "cannot be made at all":
            raise ValueError("200001012384")
        return self

    async def start(self) -> None:
        if self.now == "cannot start":
            raise OSError("127.0.0.1 port 2575: Address already in use")

    async def stop(self) -> None:
        self.stopped += 1
        if self.now == "fails and its end too":
            raise ZeroDivisionError

    def status(self) -> FeedStatus:
        if self.now == "cannot say how it is":
            raise ZeroDivisionError
        failure = "ZeroDivisionError" if self.now.startswith("fails") else None
        blocking = "the directory is away" if self.now == "blocks" else None
        trouble = "exports are refused: shrunk" if self.now == "refuses" else None
        return FeedStatus(AT, AT, {}, {}, blocking, trouble, failure)


@pytest.fixture(autouse=True)
def _at_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(feed_module, name, 0.001)
    monkeypatch.setattr(feed_module, "STEADY_S", 0.05)
    monkeypatch.setattr(steadiness, "STEADY_S", 0.05)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not is_so():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


def _played(scripted: Scripted, then: Callable[[FeedComponent], Awaitable[None]]) -> list[Any]:
    """What the journal says meanwhile."""

    async def play() -> None:
        component = FeedComponent("elvis", scripted.make)
        await component.start()
        try:
            await then(component)
        finally:
            await component.stop()

    with capture_logs() as said:
        asyncio.run(play())
    return [(one["event"], one.get("reason")) for one in said]


FAULTS = {
    "fails": "it failed and is started again: ZeroDivisionError",
    "fails and its end too": "it failed and is started again: ZeroDivisionError",
    "cannot say how it is": "it failed and is started again: ZeroDivisionError",
    "cannot start": "it cannot start and is tried again: 127.0.0.1 port 2575: Address already in use",
    "cannot be made": "it cannot start and is tried again: gone.pem: No such file or directory",
    "cannot be made at all": "it cannot start and is tried again: ValueError",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_feed_that_fails_is_made_anew_and_the_journal_says_it_once_both_ways(fault: str) -> None:
    scripted = Scripted(*[fault] * 5)

    async def then(component: FeedComponent) -> None:
        await _until(lambda: scripted.made == 6)
        assert component.blocking() is None
        assert component.status().trouble == FAULTS[fault]
        await _until(lambda: component.status().trouble is None and component._condition.is_well)
        assert component.status().figures["failures"] == 5
        assert component.failure() is None

    said = [one for one in _played(scripted, then) if one[0] != "end_failed"]
    assert said == [("not_well", FAULTS[fault]), ("well_again", None)]


def test_while_it_does_not_run_it_blocks_and_says_when_it_was_last_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(feed_module, "LONGEST_PAUSE_S", 3600.0)
    scripted = Scripted("fails")

    async def then(component: FeedComponent) -> None:
        await _until(lambda: component.blocking() is not None)
        status = component.status()
        assert status.blocking == FAULTS["fails"]
        assert (status.last_seen, status.last_accepted_at, status.trouble) == (AT, AT, None)
        assert scripted.stopped == 1

    _played(scripted, then)


@pytest.mark.parametrize(
    ("life", "reason"),
    [("blocks", "the directory is away"), ("refuses", "exports are refused: shrunk")],
)
def test_what_a_working_feed_says_of_itself_is_told_once_both_ways(life: str, reason: str) -> None:
    scripted = Scripted(life)

    async def then(component: FeedComponent) -> None:
        for _ in range(3):
            scripted.now = life
            await _until(lambda: not component._condition.is_well)
            scripted.now = "well"
            await asyncio.sleep(0)
        await _until(lambda: component._condition.is_well)

    assert _played(scripted, then) == [("not_well", reason), ("well_again", None)]


def test_a_feed_that_does_not_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "STOP_WITHIN_S", 0.01)
    scripted = Scripted("fails")

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(scripted, "stop", never)

    async def then(component: FeedComponent) -> None:
        await _until(lambda: component.blocking() is None and scripted.made == 2)

    assert ("end_failed", "TimeoutError") in _played(scripted, then)


def test_pauses_grow_while_it_fails_and_are_short_again_after_a_steady_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr(feed_module, "LONGEST_PAUSE_S", 8.0)
    component = FeedComponent("elvis", Scripted().make)
    assert [component._backoff.failed(0.0) for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    component._backoff.reset()
    assert component._backoff.failed(0.0) == 1.0


# -- conditions ---------------------------------------------------------------------------------------


def test_a_change_is_told_once_and_well_only_after_a_steady_time() -> None:
    condition, told = PartCondition(), []
    history: Sequence[tuple[str | None, float]] = [
        (None, 0.0),
        ("away", 1.0), ("away", 2.0), (None, 3.0), ("away", 4.0), ("full", 5.0), ("away", 6.0),
        (None, 7.0), (None, 7.04), (None, 7.06), (None, 9.0),
        ("away", 10.0),
    ]  # fmt: skip
    for reason, now_s in history:
        change = condition.note(reason, now_s)
        if change is not ConditionChange.NONE:
            told.append((change, now_s))
    assert told == [
        (ConditionChange.WORSE, 1.0),
        (ConditionChange.WORSE, 5.0),
        (ConditionChange.WELL_AGAIN, 7.06),
        (ConditionChange.WORSE, 10.0),
    ]
    assert STEADY_S > 1.0


def test_a_reason_that_counts_is_the_same_while_it_counts() -> None:
    condition = PartCondition()
    told = [condition.note(f"the last {count} inputs wait in review", count) for count in range(9)]
    assert told == [ConditionChange.WORSE, *[ConditionChange.NONE] * 8]


class _Feed(NamedTuple):
    """A feed as readiness sees it."""

    name: str
    has_started: bool = True


READY: dict[str, tuple[list[_Feed], list[str], bool]] = {
    "all is well": ([_Feed("feed a"), _Feed("feed b")], [], True),
    "one of two feeds": ([_Feed("feed a"), _Feed("feed b")], ["feed a"], True),
    "both feeds": ([_Feed("feed a"), _Feed("feed b")], ["feed a", "feed b"], False),
    "the only feed": ([_Feed("feed a")], ["feed a"], False),
    "a feed that starts": (
        [_Feed("feed a", has_started=False), _Feed("feed b")],
        ["feed a"],
        False,
    ),
    "the router": ([_Feed("feed a"), _Feed("feed b")], ["router"], False),
    "the router and a feed": ([_Feed("feed a"), _Feed("feed b")], ["router", "feed a"], False),
    "no feeds": ([], [], True),
}


@pytest.mark.parametrize("name", READY)
def test_one_feed_of_several_does_not_take_the_service_away(name: str) -> None:
    """Whoever routes by readiness would cut off all other senders, and every ward's list."""
    feeds, blocking, is_ready = READY[name]
    view = cast("View", SimpleNamespace(feeds=feeds))
    assert View.is_ready(view, blocking) is is_ready


# -- processes ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


def _installation(folder: Path, text: str) -> Installation:
    installation = load(configured(folder, text), folder / "data", {})
    made_once(installation.data / PATIENT_KEY_NAME)
    return installation


TWO_DIRECTORIES = """
[sources.other]
[feeds.other]
kind = "elvis-directory"
source = "other"
directory = "other"
"""
PULLING = '\n[feeds.fhir.pull]\nbase_url = "https://ehr.example/r4"\n'


def test_what_can_hang_has_a_process_for_itself(folder: Path) -> None:
    text = lab_text().replace("\n[wards]", f"{TWO_DIRECTORIES}\n[wards]")
    found = _installation(folder, text).feeds
    names = {part: [each.identity.name for each in feeds] for part, feeds in processes_of(found)}
    assert names == {"feed elvis": ["elvis"], "feed other": ["other"], "": ["hl7", "fhir"]}
    pulling = _installation(folder, text.replace("\n[feeds.elvis]", f"{PULLING}\n[feeds.elvis]"))
    parts = [part for part, _ in processes_of(pulling.feeds)]
    assert parts == ["feed fhir", "feed elvis", "feed other", ""]


def test_a_process_that_is_killed_leaves_those_of_other_feeds_alone(folder: Path) -> None:
    installation = _installation(
        folder, in_process().replace("\n[wards]", f"{TWO_DIRECTORIES}\n[wards]")
    )
    log = SqliteLog.open(log_path(installation.data))
    parts: dict[str, WorkerProcess] = {}
    for part, feeds in processes_of(installation.feeds):
        alone = Installation(
            installation.file, installation.data, installation.settings, tuple(feeds),
            installation.register,
        )  # fmt: skip
        parts[part] = WorkerProcess(log, Job(Role.ADAPTERS, alone, 0, part))

    async def play() -> None:
        elvis = RemoteFeed("elvis", parts["feed elvis"])
        other = RemoteFeed("other", parts["feed other"])
        group = Together("feeds", [*parts.values()])
        await group.start()
        assert (group.blocking(), group.failure()) == (None, None)
        pid = _process_of(parts["feed other"])
        os.kill(_process_of(parts["feed elvis"]), signal.SIGKILL)
        await _until(lambda: elvis.blocking() is not None)
        assert other.blocking() is None
        (installation.data / "other" / "a.csv").write_bytes(EXPORT.encode("windows-1252"))
        await _until(lambda: other.status().figures["files_accepted"] == 1)
        await _until(lambda: elvis.blocking() is None)
        assert _process_of(parts["feed other"]) == pid
        await group.stop()

    asyncio.run(play())
    log.close()


def _process_of(worker: WorkerProcess) -> int:
    assert worker._process is not None
    return worker._process.pid


def test_a_process_that_hangs_is_ended_and_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "HUNG_S", 0.5)
    installation = _installation(folder, in_process())
    log = SqliteLog.open(log_path(installation.data))
    worker = WorkerProcess(log, Job(Role.ADAPTERS, installation, 0, "feed elvis"))
    feed = RemoteFeed("elvis", worker)

    async def play() -> None:
        await worker.start()
        hung = _process_of(worker)
        os.kill(hung, signal.SIGSTOP)
        await _until(lambda: _process_of(worker) != hung and feed.blocking() is None)
        await worker.stop()

    with capture_logs() as said:
        asyncio.run(play())
    log.close()
    told = [(one["event"], one["component"]) for one in said]
    assert told[:2] == [
        ("process_hung", "process feed elvis"),
        ("process_ended", "process feed elvis"),
    ]


def test_a_process_that_ends_again_and_again_is_told_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "PAUSE_S", 0.01)
    monkeypatch.setattr(worker_module, "MODULE", "wardbridge.no_such_module")
    monkeypatch.setattr(worker_module, "BROKEN", -1)
    installation = _installation(folder, in_process())
    log = SqliteLog.open(log_path(installation.data))
    worker = WorkerProcess(log, Job(Role.ADAPTERS, installation, 0))
    ends: list[int] = []
    note = worker._note_end

    def noted(exit_code: int) -> None:
        note(exit_code)
        ends.append(exit_code)

    monkeypatch.setattr(worker, "_note_end", noted)

    async def play() -> None:
        await worker.start()
        await _until(lambda: len(ends) > 2)
        await worker.stop()

    with capture_logs() as said:
        asyncio.run(play())
    log.close()
    assert [one["event"] for one in said] == ["process_ended"]
