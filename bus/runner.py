"""The step runner: the only code that commits for a step.

Commit order, in :meth:`StepRunner.run_once`: read what waits; decide record by record; commit the
outputs, the changed state rows and the positions as one; only then does the state count. A step
changes its state in place, which is safe because the runner alone owns it: after any error the
runner drops all state, rewinds, and loads the last committed one again. Positions are fetched
before state is loaded, so the state is never older than the position it goes with.
What arrives while a commit runs, or while the runner rests after one, is the next batch, so that
throughput grows with load.

No record can stop a partition: one at which the step raises, or whose outputs no log would take,
is handed to ``on_failure``, and the review records that this returns take their place. The
partition's state may be half changed by then, so it is built again: from its committed rows, which
are read once a batch, and the rows that the batch has led to until then. Nothing is decided twice.
That takes half a second with 20,000 visits. So a partition's batch ends after ``FAILED_AT_ONCE`` such
records: what was decided is committed, and the rest is read again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, Self, TypeVar

import structlog

from bus.belonging import PositionRows
from bus.checks import check
from bus.port import (
    Batch,
    ForeignRowError,
    Log,
    LogError,
    LogFencedError,
    PositionLostError,
    Record,
    RecordTooLargeError,
    Stored,
    TopicPartition,
)

State = TypeVar("State")
Rows = dict[tuple[str, str], Stored]
"""Rows of state by topic and key."""

BATCH_RECORDS: Final = 500
FAILED_AT_ONCE: Final = 3
READ_WAIT_S: Final = 0.5  # how long `stop` may have to wait for an idle runner
RETRY_FIRST_S: Final = 0.1
RETRY_MAX_S: Final = 5.0

OnFailure = Callable[[Stored, Exception], Sequence[Record]]
"""What to write in place of the outputs of a record at which the step raised."""


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
        """Put one committed row back. Raises ForeignRowError under a key that no step writes."""
        ...

    def decide(self, state: State, stored: Stored) -> Sequence[Record]:
        """The outputs and state rows that a record leads to; may change ``state`` in place."""
        ...


@dataclass(frozen=True, slots=True)
class RunnerFigures:
    """What the runner tells health and metrics; nothing in it is of a patient.

    ``failures`` counts records that went to review instead of being decided, ``unreviewed`` those
    of them for which even that failed (the record itself is in its topic still).
    ``last_commit_at`` is Unix time in seconds, None before the first. ``last_error`` is None again
    after the next good batch. What waits is for the log to say: :func:`lag_of`.
    """

    ready: bool
    records: int
    commits: int
    failures: int
    unreviewed: int
    last_commit_at: float | None
    last_error: str | None

    @classmethod
    def none(cls) -> Self:
        """Of a runner that has not begun."""
        return cls(
            ready=False, records=0, commits=0, failures=0, unreviewed=0,
            last_commit_at=None, last_error=None,
        )  # fmt: skip


class StepRunner(Generic[State]):
    """Runs one step for one group until stopped; :meth:`run` belongs in a thread of its own.

    ``may_skip`` names inputs of which retention may have removed what this group had not read, as
    it does with ticks after a long stop: the group goes on at the oldest kept. With any other
    input that is a loss which a person has to look at (PositionLostError, and no progress).
    ``rest_s`` follows a batch that took all that waited: fewer commits, each of more, for what
    arrives one by one. ``prepare`` is called once a batch with records has been read: what it looks up
    in the log is not older than any of them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each a choice of whoever composes
        self,
        log: Log,
        group: str,
        step: Step[State],
        on_failure: OnFailure,
        may_skip: Collection[str] = (),
        rest_s: float = 0.0,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._group = group
        self._step = step
        self._on_failure = on_failure
        self._may_skip = may_skip
        self._rest_s = rest_s
        self._prepare = prepare
        self._states: dict[int, State] = {}
        self._position_rows = PositionRows(log, group, next(iter(step.state_topics), None))
        self._foreign: list[Record] = []
        self._singly = 0  # so many records are decided one at a time
        self._too_large: set[str] = set()  # places of records whose outputs no log would take
        self._stopping = threading.Event()
        self._ready = False
        self._records = self._commits = self._failures = self._unreviewed = 0
        self._last_commit_at: float | None = None
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
        """One batch; the number of records handled.

        After an error nothing of the batch took effect; the next call starts over from what is
        committed.
        """
        try:
            limit = 1 if self._singly else BATCH_RECORDS
            batch = self._log.read(self._group, self._step.inputs, limit, wait_s)
            self._follow_assignment(batch)
            if batch.records:
                self._prepare()
            if batch.positions:
                batch = self._commit(batch)
        except BaseException as error:
            self._start_over(error)
            raise
        self._ready, self._last_error = True, None
        return len(batch.records)

    def figures(self) -> RunnerFigures:
        """What became of it so far; from any thread."""
        return RunnerFigures(
            self._ready,
            self._records,
            self._commits,
            self._failures,
            self._unreviewed,
            self._last_commit_at,
            self._last_error,
        )

    def lag(self) -> int:
        """How many records wait; from any thread. Raises LogError."""
        return lag_of(self._log, self._group, self._step.inputs)

    def _commit(self, batch: Batch) -> Batch:
        """What of the batch was handled."""
        decided, left = self._decide_all(batch.records)
        batch = _without(batch, left) if left else batch
        records = [*self._foreign, *decided]
        rows = self._position_rows.after(batch.positions)
        try:
            self._log.commit(self._group, batch.positions, [*records, *rows])
        except RecordTooLargeError:
            self._note_too_large(batch.records)
            raise
        self._singly = max(0, self._singly - len(batch.records))
        self._position_rows.done(batch.positions)
        self._foreign.clear()
        self._note_commit(batch)
        if left:
            self._log.rewind(self._group)
        return batch

    def _note_too_large(self, records: Sequence[Stored]) -> None:
        """The log takes less than when its outputs were checked: one by one, it will show of which."""
        if len(records) == 1:
            self._too_large.add(_place(records[0]))
        self._singly = len(records)

    def _went_well(self) -> bool:
        try:
            records = self.run_once(READ_WAIT_S)
        except PositionLostError:
            return self._skipped_ahead()
        except LogFencedError:
            raise
        except LogError:
            return False
        if 0 < records < BATCH_RECORDS:
            self._stopping.wait(self._rest_s)
        return True

    def _skipped_ahead(self) -> bool:
        """Whether the group could go on at the oldest kept of the topics that it may skip.

        Place by place: the log refuses those of other members, which skip their own.
        """
        try:
            skipped = [at for at, start in self._lost().items() if self._skips(at, start)]
        except LogError as error:
            self._start_over(error)
            return False
        if skipped:
            structlog.get_logger().warning(
                "positions_skipped", group=self._group, places=len(skipped)
            )
        return bool(skipped)

    def _skips(self, at: TopicPartition, start: int) -> bool:
        moved = {**self._log.committed(self._group), at: start}
        moved = {each: offset for each, offset in moved.items() if each.partition == at.partition}
        try:
            self._log.commit(self._group, {at: start}, self._position_rows.after(moved))
        except LogFencedError:
            raise
        except LogError as error:
            self._start_over(error)
            return False
        return True

    def _lost(self) -> dict[TopicPartition, int]:
        committed = self._log.committed(self._group)
        return {
            at: start
            for topic in self._may_skip
            for partition, start in self._log.starts(topic).items()
            if committed.get(at := TopicPartition(topic, partition), start) < start
        }

    def _follow_assignment(self, batch: Batch) -> None:
        for partition in set(self._states) - batch.assigned:
            del self._states[partition]
        for partition in sorted(batch.assigned - set(self._states)):
            self._states[partition] = self._restored(partition)

    def _restored(self, partition: int) -> State:
        state, positions = self._step.empty(partition), None
        for topic in self._step.state_topics:
            for stored in self._log.load(TopicPartition(topic, partition)):
                if self._position_rows.is_one(stored):
                    ours = stored.key == self._position_rows.key(partition)
                    positions = stored if ours else positions
                elif stored.is_foreign:
                    self._pass_over(stored, ForeignRowError("the key is not UTF-8"))
                else:
                    self._restore(state, stored)
        self._take_over(partition, positions)
        return state

    def _take_over(self, partition: int, row: Stored | None) -> None:
        committed = self._log.committed(self._group)
        forgotten = self._position_rows.begin(partition, committed, row)
        if forgotten:
            self._log.commit(self._group, forgotten, ())
            raise LogError(
                f"{self._group}/{partition}: goes on at the positions that its state has"
            )

    def _pass_over(self, stored: Stored, error: ForeignRowError) -> None:
        """A row that no step wrote: nothing of the state is lost without it."""
        self._foreign += self._review(stored, error)

    def _restore(self, state: State, stored: Stored) -> None:
        try:
            self._step.restore(state, stored)
        except ForeignRowError as error:
            self._pass_over(stored, error)
        except Exception as error:  # noqa: BLE001 - raised again, without a text from the row
            problem = (
                f"state row {_place(stored)} cannot be read: {type(error).__name__}; "
                'runbook, "Positions and state do not belong together"'
            )
            raise LogError(problem) from None

    def _decide_all(self, records: Sequence[Stored]) -> tuple[list[Record], list[Stored]]:
        """The outputs, and the records that are left for later."""
        own: dict[int, list[Stored]] = {}
        for stored in records:
            own.setdefault(stored.partition, []).append(stored)
        outputs, left = list[Record](), list[Stored]()
        for of_one in own.values():
            handled, decided = self._decide_partition(of_one)
            outputs += decided
            left += of_one[handled:]
        return outputs, left

    def _decide_partition(self, records: Sequence[Stored]) -> tuple[int, list[Record]]:
        """How many records were handled, and the outputs."""
        outputs: list[Record] = []
        rows: Rows | None = None
        partition, failed = records[0].partition, 0
        for handled, stored in enumerate(records, start=1):
            if _place(stored) in self._too_large:
                outputs += self._review(stored, RecordTooLargeError())
                continue
            decided = self._attempt(partial(self._step.decide, self._states[partition], stored))
            if not isinstance(decided, Exception):
                outputs += decided
                continue
            rows = self._committed_rows(partition) if rows is None else rows
            self._states[partition] = self._built(partition, rows, outputs)
            outputs += self._review(stored, decided)
            failed += 1
            if failed == FAILED_AT_ONCE:
                return handled, outputs
        return len(records), outputs

    def _committed_rows(self, partition: int) -> Rows:
        return {
            (topic, stored.key or ""): stored
            for topic in self._step.state_topics
            for stored in self._log.load(TopicPartition(topic, partition))
            if not stored.is_foreign and not self._position_rows.is_one(stored)
        }

    def _built(self, partition: int, committed: Rows, outputs: Sequence[Record]) -> State:
        """The state of the committed rows and of those that a batch has led to until now."""
        rows = committed.copy()
        for each in outputs:
            at = each.topic, each.key or ""
            if each.topic not in self._step.state_topics:
                continue
            if self._log.partition_of(each.topic, each.route) == partition:
                rows[at] = Stored(each.topic, partition, 0, each.key, each.value, each.headers, 0)
        state = self._step.empty(partition)
        for stored in rows.values():
            if stored.value is not None:
                with suppress(ForeignRowError):  # it went to review when the state was loaded
                    self._step.restore(state, stored)
        return state

    def _review(self, stored: Stored, error: Exception) -> Sequence[Record]:
        self._failures += 1
        self._say("step_failed", stored, error)
        review = self._attempt(lambda: self._on_failure(stored, error))
        if not isinstance(review, Exception):
            return review
        self._unreviewed += 1
        self._say("review_failed", stored, review)
        return ()

    def _attempt(self, decide: Callable[[], Sequence[Record]]) -> Sequence[Record] | Exception:
        try:
            records = decide()
            check(self._log.topics, records)
        except Exception as error:  # noqa: BLE001 - the supervisor: no record stops a partition
            return error
        return records

    def _note_commit(self, batch: Batch) -> None:
        self._records += len(batch.records)
        self._commits += 1
        self._last_commit_at = time.time()

    def _start_over(self, error: BaseException) -> None:
        self._ready = False
        # A LogError's text tells what to do; another's may tell of a patient.
        text = f": {error}" if isinstance(error, LogError) else ""
        found = f"{type(error).__name__}{text}"
        if found != self._last_error:  # tried again until it goes well, which may be for hours
            structlog.get_logger().error("batch_failed", group=self._group, error=found)
        self._last_error = found
        self._states.clear()
        self._foreign.clear()
        self._position_rows.start_over()
        self._log.rewind(self._group)

    def _say(self, event: str, stored: Stored, error: Exception) -> None:
        # Neither the record nor the error's text: both may tell of a patient.
        structlog.get_logger().error(
            event, group=self._group, record=_place(stored), error=type(error).__name__
        )


def _without(batch: Batch, left: Sequence[Stored]) -> Batch:
    """The batch without records that are left for later, of each place the last ones."""
    positions, places = dict(batch.positions), set(map(_place, left))
    for stored in reversed(left):
        positions[TopicPartition(stored.topic, stored.partition)] = stored.offset
    records = tuple(stored for stored in batch.records if _place(stored) not in places)
    return batch._replace(records=records, positions=positions)


def _place(stored: Stored) -> str:
    return f"{stored.topic}/{stored.partition}/{stored.offset}"


def run_in_thread(runner: StepRunner[State], name: str) -> threading.Thread:
    """Start the runner's thread; it ends after ``runner.stop()``."""
    thread = threading.Thread(target=runner.run, name=name, daemon=True)
    thread.start()
    return thread


def lag_of(log: Log, group: str, inputs: Sequence[str]) -> int:
    """How many records of the topics wait for the group: an upper bound, as offsets have holes."""
    return sum(end - position for position, end in standing_of(log, group, inputs).values())


def standing_of(
    log: Log, group: str, inputs: Sequence[str]
) -> dict[TopicPartition, tuple[int, int]]:
    """Where the group would go on in each partition of the topics, and where that ends now."""
    committed = log.committed(group)
    return {
        (at := TopicPartition(topic, partition)): (committed.get(at, start), end)
        for topic in inputs
        for (partition, end), start in zip(
            log.ends(topic).items(), log.starts(topic).values(), strict=True
        )
    }
