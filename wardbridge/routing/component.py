"""The router as a part of the service: its step in a thread, or in another process."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from bus.port import Log
from bus.runner import RunnerFigures, StepRunner, lag_of
from router.core.step import GROUP, RouterStep
from wardbridge.parts.base import describe


class RouterComponent:
    """Runs a step runner until stopped; the runner retries what can be retried by itself."""

    name = "router"

    def __init__(self, runner: StepRunner[Any]) -> None:
        self._runner = runner
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    async def start(self) -> None:
        """Begin; the state is loaded by the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Finish the batch in hand."""
        self._runner.stop()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def blocking(self) -> str | None:
        """The state is being loaded, or the log fails."""
        figures = self.figures()
        if figures.ready and figures.last_error is None:
            return None
        return figures.last_error or "the state is being loaded"

    def failure(self) -> str | None:
        """The thread ended by an error."""
        return describe(self._failure) if self._failure else None

    def figures(self) -> RunnerFigures:
        """Counts since the start."""
        return self._runner.figures()

    def lag(self) -> int:
        """How many records wait now. Raises LogError."""
        return self._runner.lag()

    def _run(self) -> None:
        try:
            self._runner.run()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it and ends the process
            self._failure = error


class RouterElsewhere:
    """The router where other services of the installation run it: only the log tells of it."""

    name = "router"

    def __init__(self, log: Log) -> None:
        self._log = log

    async def start(self) -> None:
        """It is not ours to start."""

    async def stop(self) -> None:
        """It is not ours to stop."""

    def blocking(self) -> str | None:
        """What we do goes on without it."""
        return None

    def failure(self) -> str | None:
        """Its own service says so."""
        return None

    def figures(self) -> RunnerFigures:
        """Of what this service did: nothing."""
        return RunnerFigures.none()

    def lag(self) -> int:
        """How many records wait now. Raises LogError."""
        return lag_of(self._log, GROUP, RouterStep.inputs)
