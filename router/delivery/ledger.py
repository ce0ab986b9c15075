"""Reads and commits the delivery state: the rows of subscribers and the group's positions. It blocks.

A commit writes receipts, rows and positions as one. In each partition a row repeats the position
(``bus.belonging``), so that whoever goes on knows that both are of one commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from bus.belonging import PositionRows
from bus.port import Log, LogError, Record, Stored, TopicPartition
from router.delivery.queue import GROUP
from router.delivery.subscriber_account import SubscriberAccount
from schemas import topics
from schemas.delivery import SubscriberState


class CommittedPosition(NamedTuple):
    """What was committed last of one partition."""

    rows: Mapping[str, SubscriberState]
    """By subscriber."""
    position: int
    repeated: Stored | None
    """The row that repeats the position."""


class Ledger:
    """Read and written by one process at a time, for each partition. Every method raises LogError."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._position_rows = PositionRows(log, GROUP, topics.SUBSCRIBERS)
        self._kept: dict[int, CommittedPosition] = {}

    def take_over(self, partition: int) -> CommittedPosition:
        """Rows and position of a partition that is ours from now on."""
        kept = self._kept[partition] = self._read(partition)
        forgotten = self._position_rows.begin(partition, self._log.committed(GROUP), kept.repeated)
        if forgotten:
            self._log.commit(GROUP, forgotten, ())
            raise LogError(f"{GROUP}/{partition}: goes on at the position that its rows have")
        return kept

    def is_untouched(self, partition: int) -> bool:
        """Whether nobody has committed anything since we did."""
        found, known = self._read(partition), self._kept[partition]
        return (found.rows, found.position) == (known.rows, known.position)

    def commit(
        self,
        positions: Mapping[int, int],
        ended: Sequence[Record],
        states: Iterable[SubscriberState],
    ) -> None:
        """All or nothing. Rows that say nothing new are left out; without anything to say nothing is written."""
        new = [state for state in states if self._row(state.subscriber) != state]
        if not ended and not new:
            return
        places = {TopicPartition(topics.OUTGOING, n): at for n, at in positions.items()}
        rows = [*map(_row, new), *self._position_rows.after(places)]
        self._log.commit(GROUP, places, [*ended, *rows])
        self._position_rows.done(places)
        self._note(positions, new)

    def lose(self) -> int:
        """Go on at the oldest kept, where the position is older; how many subscribers have missed something.

        Each of these has a number left out, so that it sees a gap and reads its lists again.
        """
        starts, committed = self._log.starts(topics.OUTGOING), self._log.committed(GROUP)
        lost = 0
        for partition, start in starts.items():
            at = TopicPartition(topics.OUTGOING, partition)
            if committed.get(at, start) < start:
                kept = self.take_over(partition)
                accounts = [SubscriberAccount(state) for state in kept.rows.values()]
                for account in accounts:
                    account.lose_all()
                self.commit({partition: start}, (), [each.row() for each in accounts])
                lost += len(accounts)
        return lost

    def _read(self, partition: int) -> CommittedPosition:
        found, repeated = dict[str, SubscriberState](), None
        for row in self._log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
            if self._position_rows.is_one(row):
                repeated = row if row.key == self._position_rows.key(partition) else repeated
            elif (state := _state(row)) is not None:
                found[state.subscriber] = state
        at = TopicPartition(topics.OUTGOING, partition)
        committed = self._log.committed(GROUP).get(at)
        position = self._log.starts(topics.OUTGOING)[partition] if committed is None else committed
        return CommittedPosition(found, position, repeated)

    def _row(self, name: str) -> SubscriberState | None:
        kept = self._kept.get(self._log.partition_of(topics.SUBSCRIBERS, name))
        return kept.rows.get(name) if kept else None

    def _note(self, positions: Mapping[int, int], new: Iterable[SubscriberState]) -> None:
        rows = {partition: dict(self._kept[partition].rows) for partition in positions}
        for state in new:
            rows[self._log.partition_of(topics.SUBSCRIBERS, state.subscriber)][state.subscriber] = (
                state
            )
        for partition, position in positions.items():
            self._kept[partition] = CommittedPosition(rows[partition], position, None)


def _state(row: Stored) -> SubscriberState | None:
    """None for a row that no process of ours wrote."""
    try:
        return None if row.is_foreign else SubscriberState.model_validate_json(row.value or b"")
    except ValidationError:
        return None


def _row(state: SubscriberState) -> Record:
    name = state.subscriber
    return Record(topics.SUBSCRIBERS, name, name, state.model_dump_json().encode())
