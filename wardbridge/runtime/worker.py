"""The process of a role: ``python -m wardbridge.runtime.worker CONTROL [WRITER]``.

Both are file descriptors of sockets that the service made (``components.worker``). Over CONTROL
come the job and, once, the word to stop; reports go back. Over WRITER goes what is written, where
one process writes the log. The process ends with the service, whatever signals come: a terminal and
a supervisor send them to all, and it is the service that drains.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Final, NoReturn

import structlog
import uvloop

from bus.port import Log, LogError
from bus.runner import RunnerFigures
from wardbridge.ingest.component import FeedComponent
from wardbridge.ingest.kind import FeedStatus
from wardbridge.logstore.log import open_beside
from wardbridge.observability.logs import configure_logs
from wardbridge.parts.base import CannotStartError, Component, start, stop_all
from wardbridge.reviewing.component import EndsOfItems
from wardbridge.routing.component import RouterComponent
from wardbridge.runtime.processes import Job, PartReport, Refused, Report
from wardbridge.runtime.roles import Role, feeds_of, router_of

REPORT_INTERVAL_S: Final = 0.1
FAILED, SERVICE_GONE = 1, 3

Part = RouterComponent | FeedComponent | EndsOfItems


def main() -> None:
    """CONTROL [WRITER]."""
    control_fd, *inherited = map(int, sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    configure_logs(sys.stderr)
    control = Connection(control_fd)
    try:
        job: Job = control.recv()
        log = open_beside(job.installation, inherited, _end_with_the_service)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_work(control, job, log))
        log.close()
    except LogError as error:
        structlog.get_logger().error("log_failed", reason=str(error))
        _end_with_the_service()
    except (EOFError, OSError):
        _end_with_the_service()
    sys.exit(code)


async def _work(control: Connection, job: Job, log: Log) -> int:
    try:
        parts = parts_of(job, log)
    except OSError as error:  # a file that the configuration names
        control.send(Refused(str(error)))
        return FAILED
    return await Worker(control, parts).run()


def parts_of(job: Job, log: Log) -> Sequence[Part]:
    """What works in the process. Raises OSError."""
    if job.role is Role.ROUTER:
        return [router_of(log, job.installation)]
    feeds = feeds_of(log, job.installation, job.port_offset)
    return [*feeds.parts, feeds.ends]


class Worker:
    """Runs the parts until told to stop or one has failed; then the service starts it again."""

    def __init__(self, control: Connection, parts: Sequence[Part]) -> None:
        self._control = control
        self._parts = parts
        self._told = asyncio.Event()

    async def run(self) -> int:
        """The exit code. Raises OSError when the service is gone."""
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._hear)
        started: list[Component] = []
        try:
            for part in self._parts:
                started.append(part)
                await start(part)
        except CannotStartError as error:
            self._control.send(Refused(str(error)))
            await stop_all(started)
            return FAILED
        failed = await self._report_until_told()
        await stop_all(started)
        self._control.send(report_of(self._parts))
        return FAILED if failed else 0

    async def _report_until_told(self) -> bool:
        while not self._told.is_set():
            report = report_of(self._parts)
            self._control.send(report)
            for name, part in report.items():
                if part.failure:
                    structlog.get_logger().error("failed", component=name, reason=part.failure)
                    return True
            try:
                await asyncio.wait_for(self._told.wait(), REPORT_INTERVAL_S)
            except TimeoutError:
                continue
        return False

    def _hear(self) -> None:
        try:
            self._control.recv()
        except (EOFError, OSError):
            _end_with_the_service()
        self._told.set()


def report_of(parts: Sequence[Part]) -> Report:
    """How they are now."""
    return {part.name: PartReport(part.blocking(), part.failure(), _says(part)) for part in parts}


def _says(part: Part) -> RunnerFigures | FeedStatus | None:
    match part:
        case RouterComponent():
            return part.figures()
        case FeedComponent():
            return part.status()
        case EndsOfItems():
            return None


def _end_with_the_service() -> NoReturn:
    os._exit(SERVICE_GONE)  # at once: whatever is half done is nobody's any more


if __name__ == "__main__":
    main()
