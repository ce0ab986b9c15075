"""The step runner: the only code that commits for a step.

Commit order, in :meth:`StepRunner.run_once`: read what waits; decide record by record; commit the
outputs, the changed state rows and the positions as one; only then does the state count. A step
changes its state in place, which is safe because the runner alone owns it: when a commit fails the
runner drops all state, rewinds, and loads the last committed one again. Positions are fetched
before state is loaded, so the state is never older than the position it goes with.
What arrives while a commit runs is the next batch, so throughput grows with load.

A record at which the step raises is handed to ``on_failure``, and the review records that this
returns take the place of its outputs: no record can stop a partition. The partition's state may be
half changed by then, so it is loaded again and the batch decided anew without that record.
"""

from __future__ import annotations

import threading
import time
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
"""What to write in place of the outputs of a record at which the step raised; must not raise."""


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


@dataclass(frozen=True, slots=True)
class Figures:
    """What the runner tells health and metrics.

    ``lag`` counts the records that wait (an upper bound: offsets may have holes).
    ``last_progress_at`` is Unix time in seconds of the last commit, None before the first.
    ``last_error`` names what the runner last failed at, without content, and is None again after
    the next commit.
    """

    ready: bool
    records: int
    commits: int
    failures: int
    lag: int
    last_progress_at: float | None
    last_error: str | None


class StepRunner(Generic[State]):
    """Runs one step for one group until stopped; :meth:`run` belongs in a thread of its own."""

    def __init__(self, log: Log, group: str, step: Step[State], on_failure: OnFailure) -> None:
        self._log = log
        self._group = group
        self._step = step
        self._on_failure = on_failure
        self._states: dict[int, State] = {}
        self._failed_at: dict[Place, Exception] = {}
        self._stopping = threading.Event()
        self._ready = False
        self._records = self._commits = self._failures = 0
        self._last_progress_at: float | None = None
        self._last_error: str | None = None

    def run(self) -> None:
        """Step until :meth:`stop`. Raises LogFencedError when a newer owner took over."""
        attempts = 0
        try:
            while not self._stopping.is_set():
                attempts = 0 if self._went_well() else attempts + 1
                if attempts:
                    self._stopping.wait(min(RETRY_MAX_S, RETRY_FIRST_S * 2**attempts))
        finally:
            self._ready = False

    def stop(self) -> None:
        """Finish the batch at hand, then let :meth:`run` return."""
        self._stopping.set()

    def run_once(self, wait_s: float = 0.0) -> int:
        """One batch; the number of records handled. After an error it may be called again."""
        try:
            batch = self._log.read(self._group, self._step.inputs, BATCH_RECORDS, wait_s)
            self._follow_assignment(batch)
            self._ready = True
            if batch.positions:
                self._commit(batch)
        except BaseException as error:
            self._start_over(error)
            raise
        return len(batch.records)

    def figures(self) -> Figures:
        """What became of it so far; from any thread. Raises LogError when the log is closed."""
        return Figures(
            self._ready,
            self._records,
            self._commits,
            self._failures,
            self._lag(),
            self._last_progress_at,
            self._last_error,
        )

    def _went_well(self) -> bool:
        try:
            self.run_once(READ_WAIT_S)
        except LogFencedError:
            raise
        except LogError:
            return False
        return True

    def _commit(self, batch: Batch) -> None:
        self._log.commit(self._group, batch.positions, self._decide_all(batch.records))
        self._failed_at.clear()
        self._records += len(batch.records)
        self._commits += 1
        self._last_progress_at = time.time()
        self._last_error = None

    def _start_over(self, error: BaseException) -> None:
        self._ready = False
        self._last_error = type(error).__name__
        self._states.clear()
        self._log.rewind(self._group)

    def _lag(self) -> int:
        committed = self._log.committed(self._group)
        return sum(
            end - committed.get(TopicPartition(topic, partition), start)
            for topic in self._step.inputs
            for (partition, end), start in zip(
                self._log.ends(topic).items(), self._log.starts(topic).values(), strict=True
            )
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
        partitions = dict.fromkeys(stored.partition for stored in records)
        return [
            output
            for partition in partitions
            for output in self._decide_partition(
                partition, [stored for stored in records if stored.partition == partition]
            )
        ]

    def _decide_partition(self, partition: int, records: Sequence[Stored]) -> list[Record]:
        while True:
            outputs: list[Record] = []
            if all(self._decides(stored, outputs) for stored in records):
                return outputs
            self._states[partition] = self._restored(partition)

    def _decides(self, stored: Stored, outputs: list[Record]) -> bool:
        place = (stored.topic, stored.partition, stored.offset)
        if place in self._failed_at:
            outputs += self._on_failure(stored, self._failed_at[place])
            return True
        try:
            outputs += self._step.decide(self._states[stored.partition], stored)
        except Exception as error:  # noqa: BLE001 - the supervisor: no record stops a partition
            self._failed_at[place] = error
            self._failures += 1
            return False
        return True


def run_in_thread(runner: StepRunner[State], name: str) -> threading.Thread:
    """Start the runner's thread; it ends after ``runner.stop()``."""
    thread = threading.Thread(target=runner.run, name=name, daemon=True)
    thread.start()
    return thread
