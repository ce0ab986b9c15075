"""Commits many waiting inputs to the log at once, and resumes their senders in the event loop.

Invariant: an input is settled once, and only after the log has called back that everything of it
is durable, or has failed. What one turn of the loop brings, from all senders, goes to the log in
one call; a fault of one input costs no other. The log calls back from a thread of its own; all
completions that have come by then are carried into the loop by one wake-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from bus.port import Log, LogError, LogFullError, Record, RecordTooLargeError

Input = TypeVar("Input")


class PendingInput(NamedTuple, Generic[Input]):
    """An input, and what is to be durable before it is settled."""

    input: Input
    records: Sequence[Record]


class SettledInput(NamedTuple, Generic[Input]):
    """An input, and why it is not durable if it is not."""

    input: Input
    error: LogError | None


class Store(Generic[Input]):
    """Stores the inputs of one event loop; ``settle`` is called in it, with as many as are done."""

    def __init__(self, log: Log, settle: Callable[[Sequence[SettledInput[Input]]], None]) -> None:
        self._log = log
        self._settle = settle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gathered: list[PendingInput[Input]] = []
        self._done: deque[tuple[Sequence[PendingInput[Input]], LogError | None]] = deque()
        self._waking = False
        self._wake_lock = threading.Lock()

    def put(self, each: Input, records: Sequence[Record]) -> None:
        """Store the records with all else that this turn of the loop brings; call it in the loop."""
        self._gathered.append(PendingInput(each, records))
        if len(self._gathered) == 1:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._submit(gathered)

    def _submit(self, batch: Sequence[PendingInput[Input]]) -> None:
        records = [record for waiting in batch for record in waiting.records]
        try:
            self._log.submit(records, lambda error: self._completed(batch, error))
        except RecordTooLargeError as error:
            if len(batch) == 1:
                self._completed(batch, error)
            else:
                self._submit_each(batch)
        except LogError as error:
            self._completed(batch, error)

    def _submit_each(self, batch: Sequence[PendingInput[Input]]) -> None:
        for waiting in batch:
            self._submit([waiting])

    def _completed(self, batch: Sequence[PendingInput[Input]], error: LogError | None) -> None:
        """The log is done with a batch; called from any thread."""
        self._done.append((batch, error))
        with self._wake_lock:
            if self._waking or self._loop is None:
                return
            self._waking = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._wake_lock:
            self._waking = False
        settled: list[SettledInput[Input]] = []
        while self._done:
            batch, error = self._done.popleft()
            if error is not None and len(batch) > 1 and not isinstance(error, LogFullError):
                self._submit_each(batch)  # which of them it was will show
            else:
                settled += [SettledInput(waiting.input, error) for waiting in batch]
        self._settle(settled)
