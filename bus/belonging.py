"""Checks that a group's positions and its state belong together: a row of state repeats the positions.

The runner writes the row in each commit, so that both are always equal. They differ where somebody
moved the positions, removed the state or restored one of the two from a copy; going on then would
pass over records, or decide without what earlier ones had said. Nothing of that can be undone later, so
the group stops and names the command that mends it.

A key of a row begins with a percent sign that escapes nothing, which no key of a step does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from bus.port import Log, LogError, Record, Stored, TopicPartition

_PREFIX: Final = "%positions|"
MEND: Final = 'see the runbook, "Positions and state do not belong together"'
Positions = Mapping[TopicPartition, int]


class NotTogetherError(LogError):
    """A group's positions and its state are not of one commit: a person must say which counts."""


def check_reaches(at: TopicPartition, position: int, end: int) -> None:
    """Raises NotTogetherError for a position that the log has not reached: it is of another log."""
    if position > end:
        raise NotTogetherError(
            f"{at.topic}/{at.partition}: position {position} lies beyond the end, {end}: the topic "
            f"was made anew, or restored from an older copy; {MEND}"
        )


def is_position_row(key: str | None) -> bool:
    """Whether a key of a topic of state is that of a row of positions, of whichever group."""
    return (key or "").startswith(_PREFIX)


class PositionRows:
    """The rows of one group in a topic of its state; None for the topic: it keeps no state."""

    def __init__(self, log: Log, group: str, topic: str | None) -> None:
        self._log = log
        self._group = group
        self._topic = topic
        self._routes: dict[int, str] = {}
        self._known: dict[int, Positions] = {}

    def is_one(self, stored: Stored) -> bool:
        """Whether a row of state is one of these, of this group or another."""
        return stored.topic == self._topic and is_position_row(stored.key)

    def begin(self, partition: int, committed: Positions, found: Stored | None) -> Positions:
        """Take over a partition; the positions to commit anew, where only the state has them.

        That is so when the group was away for longer than brokers keep its positions. ``found`` is the
        row that the state has. Raises NotTogetherError where both are there and are not of one commit.
        """
        if self._topic is None:
            return {}
        ours = {at: offset for at, offset in committed.items() if at.partition == partition}
        repeated = None if found is None else self._repeated(found)
        if repeated and not ours:
            return repeated
        _check(f"{self._group}/{partition}", ours, repeated)
        self._known[partition] = ours
        return {}

    def key(self, partition: int) -> str:
        """Of the row of a partition."""
        return f"{_PREFIX}{self._group}|{partition}"

    def after(self, moved: Positions) -> list[Record]:
        """The rows to commit with positions that move; :meth:`done` follows the commit."""
        if self._topic is None:
            return []
        return [
            self._row(self._topic, partition, self._merged(partition, moved))
            for partition in sorted({at.partition for at in moved})
        ]

    def done(self, moved: Positions) -> None:
        """The positions are committed."""
        for partition in {at.partition for at in moved}:
            self._known[partition] = self._merged(partition, moved)

    def start_over(self) -> None:
        """Forget what is known: it is taken over anew."""
        self._known.clear()

    @staticmethod
    def said(row: Stored) -> Mapping[str, tuple[int, str]] | None:
        """By topic, the position in a row and the topic's identity; None where it cannot be read."""
        try:
            said = json.loads(row.value or b"")
            return {topic: (int(at), str(identity)) for topic, (at, identity) in said.items()}
        except (ValueError, TypeError, AttributeError):
            return None

    def _repeated(self, row: Stored) -> Positions:
        """The positions in a row. Raises NotTogetherError where a topic is not the same any more."""
        said = self.said(row)
        if said is None:
            place = f"{row.topic}/{row.partition}/{row.offset}"
            raise NotTogetherError(f"{place}: a row of positions cannot be read; {MEND}")
        for topic, (_, identity) in said.items():
            if identity != self._log.identity(topic):
                raise NotTogetherError(
                    f"{topic}: the topic was made anew since it was read; {MEND}"
                )
        return {TopicPartition(topic, row.partition): at for topic, (at, _) in said.items()}

    def _merged(self, partition: int, moved: Positions) -> Positions:
        ours = {at: offset for at, offset in moved.items() if at.partition == partition}
        return {**self._known.get(partition, {}), **ours}

    def _row(self, topic: str, partition: int, positions: Positions) -> Record:
        said = {
            at.topic: (offset, self._log.identity(at.topic))
            for at, offset in sorted(positions.items())
        }
        value = json.dumps(said).encode()
        return Record(topic, self._route(topic, partition), self.key(partition), value)

    def _route(self, topic: str, partition: int) -> str:
        """A route that picks the partition: the log takes routes only."""
        number = 0
        while partition not in self._routes:
            self._routes.setdefault(self._log.partition_of(topic, str(number)), str(number))
            number += 1
        return self._routes[partition]


def _check(place: str, committed: Positions, repeated: Positions | None) -> None:
    if repeated is None:
        if committed:
            raise NotTogetherError(f"{place}: there are positions and the state is gone; {MEND}")
        return
    differing = [
        f"{at.topic}: position {committed.get(at, 'none')}, state {repeated.get(at, 'none')}"
        for at in sorted(committed.keys() | repeated.keys())
        if committed.get(at) != repeated.get(at)
    ]
    if differing:
        found = "; ".join(differing)
        raise NotTogetherError(f"{place}: the positions are not the state's ({found}); {MEND}")
