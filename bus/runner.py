"""The step runner: the only code that commits for a step.

Commit order, in :meth:`StepRunner.run_once`: read what waits; decide record by record; commit the
outputs, the changed state rows and the positions as one; only then does the state count. A step
changes its state in place, which is safe because the runner alone owns it: when a commit fails or
a step raises, the runner drops the whole state, rewinds, and loads the last committed one again.
What arrives while a commit runs is the next batch, so throughput grows with load.

A record at which the step raises is handed to ``on_failure``, and its place is taken by the review
records that this returns: no record can stop a partition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from bus.port import Batch, Log, LogError, LogFencedError, Record, Stored, TopicPartition

State = TypeVar("State")

BATCH_RECORDS: Final = 500
READ_WAIT_S: Final = 0.5
RETRY_FIRST_S: Final = 0.1
RETRY_MAX_S: Final = 5.0
Place = tuple[str, int, int]  # topic, partition, offset
OnFailure = Callable[[Stored, Exception], Sequence[Record]]


class Step(Protocol[State]):
    """A pure decision over a state and a record; the state's rows live in compacted topics."""

    @property
    def inputs(self) -> Sequence[str]:
        """Topics read, routed alike: one partition number in all of them is one state."""
        ...

    @property
    def state_topics(self) -> Sequence[str]:
        """Compacted topics whose rows are restored when a partition is assigned."""
        ...

    def empty(self, partition: int) -> State:
        """A state without rows."""
        ...

    def restore(self, state: State, stored: Stored) -> None:
        """Put one committed row back."""
        ...

    def decide(self, state: State, stored: Stored) -> Sequence[Record]:
        """The outputs and state rows that a record leads to; may change ``state`` in place."""
        ...


@dataclass(slots=True)
class Figures:
    """What the runner tells health and metrics."""

    records: int = 0
    commits: int = 0
    failures: int = 0
    last_error: str | None = None
    ready: bool = False


class StepRunner(Generic[State]):
    """Runs one step for one group until stopped; :meth:`run` belongs in a thread of its own."""

    def __init__(
        self,
        log: Log,
        group: str,
        step: Step[State],
        on_failure: OnFailure,
    ) -> None:
        self.figures = Figures()
        self._log = log
        self._group = group
        self._step = step
        self._on_failure = on_failure
        self._states: dict[int, State] = {}
        self._poison: set[Place] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Step until :meth:`stop`. Raises LogFencedError when a newer owner took over."""
        failed = 0
        while not self._stopping.is_set():
            try:
                self.run_once(READ_WAIT_S)
                failed = 0
            except LogFencedError:
                raise
            except LogError as error:
                failed += 1
                self._start_over(error)
                self._stopping.wait(min(RETRY_MAX_S, RETRY_FIRST_S * 2**failed))

    def stop(self) -> None:
        """Finish the batch at hand, then let :meth:`run` return."""
        self._stopping.set()

    def run_once(self, wait_s: float = 0.0) -> int:
        """One batch; the number of records handled. Raises LogError (then call it again)."""
        batch = self._log.read(self._group, self._step.inputs, BATCH_RECORDS, wait_s)
        self._follow_assignment(batch)
        self.figures.ready = True
        if not batch.positions:
            return 0
        outputs = self._decide_all(batch.records)
        self._log.commit(self._group, batch.positions, outputs)
        self.figures.records += len(batch.records)
        self.figures.commits += 1
        self.figures.last_error = None
        return len(batch.records)

    def lag(self) -> int:
        """Records committed to the inputs and not yet handled (an upper bound)."""
        committed = self._log.committed(self._group)
        return sum(
            max(0, end - committed.get(TopicPartition(topic, partition), 0))
            for topic in self._step.inputs
            for partition, end in self._log.ends(topic).items()
        )

    def _follow_assignment(self, batch: Batch) -> None:
        for partition in set(self._states) - batch.assigned:
            del self._states[partition]
        for partition in sorted(batch.assigned - set(self._states)):
            self._states[partition] = self._restored(partition)

    def _restored(self, partition: int) -> State:
        state = self._step.empty(partition)
        for topic in self._step.state_topics:
            for stored in self._log.load(TopicPartition(topic, partition)):
                self._step.restore(state, stored)
        return state

    def _decide_all(self, records: Sequence[Stored]) -> list[Record]:
        while True:
            outputs: list[Record] = []
            culprit = self._decide_each(records, outputs)
            if culprit is None:
                return outputs
            # The state may be half changed: load it again, and decide all but the culprit.
            self._poison.add(culprit)
            self._states = {partition: self._restored(partition) for partition in self._states}

    def _decide_each(self, records: Sequence[Stored], outputs: list[Record]) -> Place | None:
        for stored in records:
            try:
                outputs += self._decide(stored)
            except Exception as error:  # noqa: BLE001 - the supervisor: no record stops a partition
                self._note_failure(stored, error)
                return _place(stored)
        return None

    def _decide(self, stored: Stored) -> Sequence[Record]:
        if _place(stored) in self._poison:
            return self._on_failure(stored, StepFailedError("the step failed at this record"))
        return self._step.decide(self._states[stored.partition], stored)

    def _note_failure(self, stored: Stored, error: Exception) -> None:
        self.figures.failures += 1
        self.figures.last_error = f"{type(error).__name__} at {stored.topic}/{stored.offset}"

    def _start_over(self, error: LogError) -> None:
        self.figures.last_error = type(error).__name__
        self.figures.ready = False
        self._states.clear()
        self._log.rewind(self._group)


class StepFailedError(Exception):
    """A step raised where it must not: a fault of ours, and the record is in review."""


def _place(stored: Stored) -> Place:
    return (stored.topic, stored.partition, stored.offset)


def run_in_thread(runner: StepRunner[State], name: str) -> threading.Thread:
    """Start the runner's thread; it ends after ``runner.stop()``."""
    thread = threading.Thread(target=runner.run, name=name, daemon=True)
    thread.start()
    return thread
