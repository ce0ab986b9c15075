"""Processes exports one after the other: compare, commit, then update the state.

Invariants:

* The state in memory is what the log has: after anything that was raised it is loaded anew, for what was
  committed may not be known.
* Receipts of one feed are strictly increasing, also where its clock stands still or is set back: they
  keep the order of rows and files where export times are equal.
* An export that the log takes in no form is refused for itself: it never stands before the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from adapters.common.outcome import Trouble
from adapters.elvis import state as snapshot_state
from adapters.elvis.compare import Context
from adapters.elvis.handle import Handled, IncomingFile, prepare, prepare_refusal
from adapters.elvis.observe import TICK
from adapters.elvis.state import SnapshotState, moment_of
from bus.port import Log, Record, RecordTooLargeError, TopicPartition
from schemas import topics

_TOO_LARGE: Final = Trouble(
    "export-too-large",
    "a record of it is larger than the log takes: nothing of it is used; export fewer wards in one "
    "file, or let the log take larger records",
)


class Taker:
    """Commits the exports of one feed."""

    def __init__(self, context: Context, log: Log) -> None:
        self._context = context
        self._log = log
        self._state: SnapshotState | None = None
        self._last_receipt: datetime | None = None
        self.spoken: Mapping[str, datetime] = {}
        """Each scope's newest export in which every row's patient could be read."""

    def load(self) -> None:
        """Read what the log knows, unless that was done. Raises LogError."""
        self._loaded()

    def take(self, file: IncomingFile) -> Handled:
        """What became of the file, once that is durable. Raises LogError; then nothing did."""
        file = file._replace(received_at=self._receipt(file.received_at))
        try:
            handled = self._committed(file)
        except BaseException:
            self._state = None
            raise
        told = [one.stamp.received_at for one in handled.outcome.observations]
        self._last_receipt = max([file.received_at, *told])
        return handled

    def _receipt(self, at: datetime) -> datetime:
        return max(at, self._last_receipt + TICK) if self._last_receipt else at

    def _committed(self, file: IncomingFile) -> Handled:
        state = self._loaded()
        prepared = prepare(state, file, self._context)
        try:
            self._commit(prepared.records)
        except RecordTooLargeError:
            prepared = prepare_refusal(state, file, _TOO_LARGE, self._context)
            self._commit(prepared.records)
        snapshot_state.apply(state, prepared.handled.change)
        self._context.review.note(prepared.found)
        self._note_spoken(state)
        return prepared.handled

    def _commit(self, records: Sequence[Record]) -> None:
        if records:
            self._log.commit(f"feed:{self._context.feed.name}", {}, records)

    def _loaded(self) -> SnapshotState:
        if self._state is None:
            self._state = state_in(self._log, self._context)
            self._note_spoken(self._state)
        return self._state

    def _note_spoken(self, state: SnapshotState) -> None:
        self.spoken = {name: moment_of(scope.whole) for name, scope in state.scopes.items()}


def state_in(log: Log, context: Context) -> SnapshotState:
    """What the log has of the feed's snapshots, of the scopes that are configured. Raises LogError."""
    name = context.feed.name
    partition = log.partition_of(topics.SNAPSHOTS, name)
    state = snapshot_state.load(name, log.load(TopicPartition(topics.SNAPSHOTS, partition)))
    kept = [scope.name for scope in context.settings.scopes] or state.scopes
    return snapshot_state.without_scopes(state, kept)
