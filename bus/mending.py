"""Repairs for a group whose positions, state and topics do not belong together.

First a look, which changes nothing, then one commit a partition: the state's positions count, since
they were committed with it; a topic that was made anew is read from its beginning; a topic that ends
before a position (records of it were lost) is read from its end. Without a state there is nothing to
go by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from bus.belonging import PositionRows, Positions
from bus.port import Log, TopicPartition

Kind = Literal["together", "mendable", "state-gone"]
NO_POSITIONS: Positions = MappingProxyType({})


class PositionFinding(NamedTuple):
    """One partition number of a group: what is wrong, and the positions that mend it."""

    partition: int
    kind: Kind
    reasons: tuple[str, ...] = ()
    positions: Positions = NO_POSITIONS


class Mender:
    """Looks at one group, of which nobody may be reading. Its methods raise LogError.

    ``inputs`` are the topics that the group reads, ``state`` is where it keeps its state.
    """

    def __init__(self, log: Log, group: str, inputs: Sequence[str], state: str) -> None:
        self._log = log
        self._group = group
        self._inputs = inputs
        self._state = state
        self._rows = PositionRows(log, group, state)

    def findings(self) -> Iterator[PositionFinding]:
        """One for each partition number."""
        committed = self._log.committed(self._group)
        for number in range(self._log.partitions(self._state)):
            ours = {at: offset for at, offset in committed.items() if at.partition == number}
            yield self._finding(number, ours)

    def mend(self, finding: PositionFinding) -> None:
        """Commit the positions of a mendable finding, and the row that repeats them."""
        rows = self._rows.after(finding.positions)
        self._log.commit(self._group, finding.positions, rows)

    def _finding(self, number: int, ours: Positions) -> PositionFinding:
        state = self._log.load(TopicPartition(self._state, number))
        row = next((row for row in state if row.key == self._rows.key(number)), None)
        if row is None and not ours:
            return PositionFinding(number, "together")
        said = self._rows.said(row) if row else None
        if said is None:
            reason = "its row of positions cannot be read" if row else "there is no state"
            return PositionFinding(number, "state-gone", (reason,))
        reasons: list[str] = []
        wanted: dict[TopicPartition, int] = {}
        for topic in self._inputs:
            at = TopicPartition(topic, number)
            wanted[at] = self._wanted(at, said.get(topic), reasons)
            if topic in said and ours.get(at) != wanted[at]:
                reasons.append(f"{topic}: position {ours.get(at, 'none')} becomes {wanted[at]}")
        return PositionFinding(
            number, "mendable" if reasons else "together", tuple(reasons), wanted
        )

    def _wanted(self, at: TopicPartition, said: tuple[int, str] | None, reasons: list[str]) -> int:
        log = self._log
        start, end = log.starts(at.topic)[at.partition], log.ends(at.topic)[at.partition]
        offset, identity = said or (start, log.identity(at.topic))
        if identity != log.identity(at.topic):
            reasons.append(f"{at.topic}: was made anew, and is read from its beginning")
            return start
        if offset > end:
            reasons.append(f"{at.topic}: ends at {end}, before {offset}: records of it were lost")
            return end
        return offset
