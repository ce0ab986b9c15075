"""The router's own process: it comes back when it ends, and goes when the service goes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.port import LogError, Record
from bus.sqlite import SqliteLog
from schemas import topics
from tests.wardbridge.support import configured, in_process
from wardbridge.components.router_process import ENDED, RouterProcess
from wardbridge.components.ticker import ticks
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.log import log_path

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)

soon = retry(
    stop=stop_after_delay(30), wait=wait_fixed(0.02),
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
async def running(log: SqliteLog, installation: Installation) -> AsyncIterator[RouterProcess]:
    router = RouterProcess(log, installation)
    await router.start()
    try:
        yield router
    finally:
        await router.stop()


def process_of(router: RouterProcess) -> int:
    assert router._process is not None
    return router._process.pid


@soon
async def until_ready(router: RouterProcess, but_not: int = 0) -> int:
    assert router.blocking() is None
    assert router.figures().lag == 0
    assert process_of(router) != but_not
    return process_of(router)


@soon
async def until_gone(pid: int) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def tick(log: SqliteLog) -> None:
    log.append(ticks(["lab"], AT))


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
        assert log.ends(topics.STATE) == {0: 1}, "the realm's clock"
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


@soon
async def until_blocking(router: RouterProcess, reason: str) -> None:
    assert router.blocking() == reason


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
