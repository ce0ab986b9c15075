"""The processes of router and feeds: they come back when they end, and end when they are told."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import LogError, Record
from bus.records import records_of
from bus.sqlite import SqliteLog
from schemas import topics
from tests.wardbridge.support import configured, in_process
from wardbridge.config.load import load
from wardbridge.config.models import PATIENT_KEY_NAME, Installation
from wardbridge.logstore.log import log_path
from wardbridge.parts.base import CannotStartError
from wardbridge.routing.ticker import ticks
from wardbridge.runtime import processes as worker_module
from wardbridge.runtime.processes import ENDED, Job, RemoteFeed, RemoteRouter, WorkerProcess
from wardbridge.runtime.roles import Role
from wardbridge.security.secret import made_once

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)

soon = retry(
    stop=stop_after_delay(180), wait=wait_fixed(0.02),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    (tmp_path / "data").mkdir()
    return load(configured(tmp_path, in_process()), tmp_path / "data", {})


@pytest.fixture
def log(installation: Installation) -> Iterator[SqliteLog]:
    opened = SqliteLog.open(log_path(installation.data))
    yield opened
    opened.close()


@asynccontextmanager
async def running(log: SqliteLog, installation: Installation) -> AsyncIterator[RemoteRouter]:
    router = RemoteRouter(log, WorkerProcess(log, Job(Role.ROUTER, installation, 0)))
    await router.start()
    try:
        yield router
    finally:
        await router.stop()


def process_of(router: RemoteRouter) -> int:
    process = router._worker._process
    assert process is not None
    return process.pid


@soon
async def until_ready(router: RemoteRouter, but_not: int = 0) -> int:
    assert router.blocking() is None
    assert router.lag() == 0
    assert process_of(router) != but_not
    return process_of(router)


@soon
async def until_gone(pid: int) -> None:
    assert not is_there(pid)


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def tick(log: SqliteLog) -> None:
    log.append(ticks(["lab"], AT, 10.0))


def test_the_router_s_process_reads_no_adapter_and_no_web_server() -> None:
    asked = "import sys, wardbridge.runtime.worker; print({'adapters.fhir', 'fastapi'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-P", "-c", asked], capture_output=True, check=True)
    assert said.stdout == b"set()\n"


def test_the_process_of_one_kind_of_feed_reads_no_other_adapter() -> None:
    asked = (
        "import sys, wardbridge.runtime.worker; from wardbridge.ingest.kinds import KINDS; "
        "assert len(KINDS) == len([*KINDS]); KINDS['elvis-directory'];"
        "print({'adapters.fhir', 'adapters.hl7v2', 'fastapi'} & sys.modules.keys())"
    )
    said = subprocess.run([sys.executable, "-P", "-c", asked], capture_output=True, check=True)
    assert said.stdout == b"set()\n"


def test_it_decides_what_comes_and_ends_when_told(
    log: SqliteLog, installation: Installation
) -> None:
    async def play() -> None:
        async with running(log, installation) as router:
            assert router.blocking() is not None
            pid = await until_ready(router)
            tick(log)
            await until_ready(router)
            assert router.failure() is None
        await until_gone(pid)
        kinds = [(row.key or "").partition("|")[2] for row in records_of(log, topics.STATE)]
        assert kinds[:3] == ["seen", "clock", "register"]
        assert router.figures().records == 1

    asyncio.run(play())


def test_one_that_is_killed_is_started_again_and_says_so(
    log: SqliteLog, installation: Installation
) -> None:
    async def play() -> None:
        async with running(log, installation) as router:
            killed = await until_ready(router)
            os.kill(killed, signal.SIGKILL)
            await until_blocking(router, ENDED)
            tick(log)
            await until_ready(router, but_not=killed)

    asyncio.run(play())


def test_one_that_is_killed_before_its_first_word_is_started_again(
    log: SqliteLog, installation: Installation
) -> None:
    async def play() -> None:
        async with running(log, installation) as router:
            killed = await until_there(router)
            os.kill(killed, signal.SIGKILL)
            await until_ready(router, but_not=killed)
            assert router.failure() is None

    asyncio.run(play())


@soon
async def until_there(router: RemoteRouter) -> int:
    return process_of(router)


@soon
async def until_blocking(part: RemoteRouter | RemoteFeed, reason: str) -> None:
    assert part.blocking() == reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_that_a_terminal_sends_to_all_are_the_services_to_answer(
    log: SqliteLog, installation: Installation, number: signal.Signals
) -> None:
    async def play() -> None:
        async with running(log, installation) as router:
            pid = await until_ready(router)
            os.kill(pid, number)
            tick(log)
            assert await until_ready(router) == pid

    asyncio.run(play())


def test_one_that_no_longer_answers_is_told_and_leaves_nothing_behind(
    log: SqliteLog, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with running(log, installation) as router:
            pid = await until_ready(router)
            os.kill(pid, signal.SIGSTOP)
            monkeypatch.setattr(worker_module, "SILENT_S", 0.5)
            await until_silent(router)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(router.stop(), 0.1)  # as a service that has no more time
            await until_gone(pid)

    asyncio.run(play())


@soon
async def until_silent(router: RemoteRouter) -> None:
    assert "said nothing" in (router.blocking() or "")


def test_a_log_that_fails_shows_and_is_tried_again(
    log: SqliteLog, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise LogError("no room")

    async def play() -> None:
        async with running(log, installation) as router:
            await until_ready(router)
            with monkeypatch.context() as patched:
                patched.setattr(SqliteLog, "put", refuse)
                log.append([Record(topics.TICKS, "lab", "lab", b"unreadable")])
                await until_blocking(router, "LogError: no room")
            await until_ready(router)

    asyncio.run(play())


def feeds(log: SqliteLog, installation: Installation) -> tuple[WorkerProcess, RemoteFeed]:
    keep_secret(installation)
    worker = WorkerProcess(log, Job(Role.ADAPTERS, installation, 0))
    return worker, RemoteFeed("elvis", worker)


def keep_secret(installation: Installation) -> None:
    made_once(installation.data / PATIENT_KEY_NAME)


def test_feeds_work_once_they_have_started(log: SqliteLog, installation: Installation) -> None:
    async def play() -> None:
        worker, feed = feeds(log, installation)
        assert feed.blocking() is not None
        await worker.start()
        assert feed.blocking() is None
        assert feed.status().figures["files_waiting"] == 0
        await worker.stop()
        assert feed.blocking() == ENDED

    asyncio.run(play())


def test_a_feed_that_cannot_work_says_why_and_is_tried_again(
    log: SqliteLog, installation: Installation
) -> None:
    in_the_way = installation.data / "inbox"
    in_the_way.write_text("a file where a directory should be")

    async def play() -> None:
        worker, feed = feeds(log, installation)
        await worker.start()
        await until_blocking(feed, "the directory cannot be read: Not a directory")
        in_the_way.unlink()
        await until_working(feed)
        await worker.stop()

    asyncio.run(play())


def test_feeds_that_are_killed_before_they_work_do_not_hold_up_the_start(
    log: SqliteLog, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        worker, feed = feeds(log, installation)
        with monkeypatch.context() as patched:
            patched.setattr(worker_module, "MODULE", "wardbridge.no_such_module")
            patched.setattr(worker_module, "BROKEN", -1)
            await worker.start()
            assert feed.blocking() == ENDED
        await until_working(feed)
        await worker.stop()

    asyncio.run(play())


@soon
async def until_working(feed: RemoteFeed) -> None:
    assert feed.blocking() is None


def test_a_process_that_ends_before_its_first_word_is_no_start(
    log: SqliteLog, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        worker, _ = feeds(log, installation)
        with pytest.raises(CannotStartError, match="process adapters: ended with 1 at its start"):
            await worker.start()
        await worker.stop()

    monkeypatch.setattr(worker_module, "MODULE", "wardbridge.no_such_module")
    asyncio.run(play())


PULLING = """
[feeds.fhir]
kind = "fhir"
source = "elvis"
port = 8090
[feeds.fhir.pull]
base_url = "https://ehr.example/r4"
backend = { token_url = "https://ehr.example/token", client_id = "w", key_file = "gone.pem", key_id = "k" }
"""


def test_a_file_that_a_feed_needs_and_is_not_there_is_told_by_its_name(
    log: SqliteLog, installation: Installation
) -> None:
    """And costs the other feed nothing."""
    text = in_process().replace("\n[wards]", f"{PULLING}\n[wards]")
    pulling = load(configured(installation.data.parent, text), installation.data, {})

    async def play() -> None:
        worker, elvis = feeds(log, pulling)
        await worker.start()
        assert "gone.pem: No such file" in (RemoteFeed("fhir", worker).blocking() or "")
        assert elvis.blocking() is None
        await worker.stop()

    asyncio.run(play())


def test_without_its_secret_a_feed_stands_still_and_its_process_goes_on(
    log: SqliteLog, installation: Installation
) -> None:
    async def play() -> None:
        worker = WorkerProcess(log, Job(Role.ADAPTERS, installation, 0))  # nobody made the secret
        feed = RemoteFeed("elvis", worker)
        await worker.start()
        assert re.search(r"patient\.key is missing: restore it", feed.blocking() or "")
        assert worker.failure() is None
        await worker.stop()

    log.append([Record(topics.RAW, "lab", "id", b"bytes")])
    asyncio.run(play())
