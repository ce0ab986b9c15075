"""Starts, watches and restarts the processes of the router and of the feeds.

It shares no interpreter with this one or the other, so that none waits for another's turn. It is
attached to the log where this process is the one that writes it, and opens it by itself elsewhere
(``wardbridge.logstore.log``). It works only as long as this process does: its sockets are pairs whose other
ends are here, and it ends when they close, however this process ended. One that ends by itself is
started again: all that it knew is in the log.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

import structlog

from adapters.common.backoff import Backoff
from bus.port import Log, LogError
from bus.runner import RunnerFigures, lag_of
from router.core.step import GROUP, RouterStep
from wardbridge.config.models import Installation
from wardbridge.ingest.kind import FeedStatus
from wardbridge.logstore.log import access_for_another
from wardbridge.parts.base import CannotStartError, describe
from wardbridge.parts.steadiness import ConditionChange, PartCondition
from wardbridge.runtime.roles import Role

MODULE: Final = "wardbridge.runtime.worker"
STOP_WITHIN_S: Final = 15.0  # feeds answer what is on its way for up to ten
SILENT_S: Final = 10.0  # it reports ten times a second, unless something holds it up
PAUSE_S: Final = (
    0.5  # before one that ended by itself is started again; doubles while it ends at once
)
LONGEST_PAUSE_S: Final = 30.0
HUNG_S: Final = 60.0  # it has worked, and says nothing any more: nothing but its end can help
BROKEN: Final = 1  # a fault; killed, or ended by its log, it may do better the next time
STARTING: Final = "its process is starting"
ENDED: Final = "its process has ended and is started again"


class Job(NamedTuple):
    """What a process is told first. ``part``: all that it does of its role, where that is not all of it."""

    role: Role
    installation: Installation
    port_offset: int
    part: str = ""


class Refused(NamedTuple):
    """A part could not start; the text names it."""

    reason: str


class PartReport(NamedTuple):
    """How one part of the process is."""

    blocking: str | None
    failure: str | None
    says: RunnerFigures | FeedStatus | None


Report = Mapping[str, PartReport]
"""By the part's name; sent when all have started, and from then on at an interval."""


class WorkerProcess:
    """Keeps the process running until stopped."""

    def __init__(self, log: Log, job: Job) -> None:
        self.name = f"process {job.part or job.role}"
        self.job = job
        self._log = log
        self._report: Report = {}
        self._heard_at = 0.0
        self._down: str | None = STARTING
        self._refused: str | None = None
        self._started_once = threading.Event()
        self._stopping = threading.Event()
        self._control: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = Backoff(PAUSE_S, LONGEST_PAUSE_S)
        self._condition = PartCondition()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def begin(self) -> None:
        """Start the process without waiting for it."""
        self._thread.start()

    async def start(self) -> None:
        """Start the process and wait until its parts work. Raises CannotStartError.

        One that ends before, for no fault of its own, is started again without being waited for:
        its log may be away for long, and the service must hear when it is told to end.
        """
        self.begin()
        await asyncio.to_thread(self._started_once.wait)
        if self._refused:
            raise CannotStartError(self._refused)

    async def stop(self) -> None:
        """Let it finish what is in hand; one that does not, or may not, is killed."""
        self._stopping.set()
        if self._control is not None:
            with suppress(OSError):  # it has ended
                self._control.send(None)
        if not self._thread.is_alive():
            return
        try:
            await asyncio.to_thread(self._thread.join, STOP_WITHIN_S)
        finally:  # also where the service has no more time: nothing of it may be left behind
            if self._thread.is_alive() and self._process is not None:
                structlog.get_logger().error("process_killed", component=self.name)
                self._process.kill()

    def blocking(self) -> str | None:
        """It is starting, or starting again."""
        return self._down

    def failure(self) -> str | None:
        """It could not start at all. Once it has worked it always comes back."""
        return self._refused

    def blocking_of(self, part: str) -> str | None:
        """What it says of a part, or that it does not run."""
        return self._down or self._silent() or self._report[part].blocking

    def said_of(self, part: str) -> RunnerFigures | FeedStatus | None:
        """What it said last of a part, also when it runs no longer; None before its first word."""
        return self._report[part].says if part in self._report else None

    def _silent(self) -> str | None:
        silent_s = time.monotonic() - self._heard_at
        return f"its process has said nothing for {silent_s:.0f} s" if silent_s > SILENT_S else None

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._refused:
            try:
                exit_code = self._run_one()
            except (OSError, LogError) as error:  # no process to be had now
                self._note_refusal(describe(error))
            else:
                self._note_end(exit_code)
            if not self._refused:
                self._stopping.wait(self._backoff.failed(time.monotonic()))
        self._started_once.set()

    def _run_one(self) -> int:
        self._process, self._control = self._started()
        with self._process, self._control:
            with suppress(OSError):
                self._control.send(self.job)
                if self._stopping.is_set():
                    self._control.send(None)
            with suppress(EOFError, OSError):
                while self._control.poll(HUNG_S) or not self._has_hung():
                    self._hear(self._control.recv())
            return self._process.wait()

    def _has_hung(self) -> bool:
        """End it if so. Its start may take long, and its end has a limit of its own."""
        if self._down or self._stopping.is_set() or self._process is None:
            return False
        structlog.get_logger().error("process_hung", component=self.name, seconds=HUNG_S)
        self._process.kill()
        return True

    def _started(self) -> tuple[subprocess.Popen[bytes], Connection]:
        control, its_control = socket.socketpair()
        with control, ExitStack() as handed_over:
            ends = [its_control, *access_for_another(self._log)]
            fds = [handed_over.enter_context(end).fileno() for end in ends]
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", MODULE, *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
            )
            return process, Connection(control.detach())

    def _hear(self, said: Report | Refused) -> None:
        if isinstance(said, Refused):
            self._note_refusal(said.reason)
        else:
            self._heard_at = time.monotonic()
            self._report, self._down = said, None
            self._started_once.set()
            self._note_well()

    def _note_well(self) -> None:
        if self._condition.note(None, self._heard_at) is ConditionChange.WELL_AGAIN:
            self._backoff.reset()
            structlog.get_logger().info("well_again", component=self.name)

    def _note_refusal(self, reason: str) -> None:
        """At the first start it is the service's end; later it is tried again."""
        if self._started_once.is_set():
            structlog.get_logger().error("not_started", component=self.name, reason=reason)
        else:
            self._refused = self._refused or reason

    def _note_end(self, exit_code: int) -> None:
        self._down = ENDED
        if self._stopping.is_set():
            return
        if self._condition.note(ENDED, time.monotonic()) is ConditionChange.WORSE:
            structlog.get_logger().error("process_ended", component=self.name, exit_code=exit_code)
        if exit_code == BROKEN and not self._started_once.is_set():
            self._note_refusal(f"{self.name}: ended with {exit_code} at its start")
        self._started_once.set()


class RemoteRouter:
    """The router in its process."""

    name = "router"

    def __init__(self, log: Log, worker: WorkerProcess) -> None:
        self._log = log
        self._worker = worker

    async def start(self) -> None:
        """Begin; the process and its state take their time, and health says so."""
        self._worker.begin()

    async def stop(self) -> None:
        """Finish the batch in hand."""
        await self._worker.stop()

    def blocking(self) -> str | None:
        """The router's own word, or that its process does not run."""
        return self._worker.blocking_of(self.name)

    def failure(self) -> str | None:
        """Its process could not start at all. Once it has worked it always comes back."""
        return self._worker.failure()

    def figures(self) -> RunnerFigures:
        """As it said last."""
        said = self._worker.said_of(self.name)
        return said if isinstance(said, RunnerFigures) else RunnerFigures.none()

    def lag(self) -> int:
        """How many records wait now. Raises LogError."""
        return lag_of(self._log, GROUP, RouterStep.inputs)


class RemoteFeed:
    """A feed in its process."""

    def __init__(self, feed_name: str, worker: WorkerProcess) -> None:
        self.feed_name = feed_name
        self.name = f"feed {feed_name}"
        self._worker = worker

    @property
    def has_started(self) -> bool:
        """Whether its process has ever told of it."""
        return self._worker.said_of(self.name) is not None

    def blocking(self) -> str | None:
        """The feed's own word, or that its process does not run."""
        return self._worker.blocking_of(self.name)

    def failure(self) -> str | None:
        """Its process is started again."""
        return None

    def status(self) -> FeedStatus:
        """As it said last."""
        said = self._worker.said_of(self.name)
        return said if isinstance(said, FeedStatus) else FeedStatus()
