"""Facts: of an observation, exactly what the folds need, as one compact row of state.

A row is a JSON array in the order of :class:`Fact`'s fields; absent claims are left out and
cleared ones are null. Restart reads a million of them, so a visit keeps its rows as bytes and
parses them when it is first touched.

A fact is known by its id. Said twice, it is one fact: the higher revision wins, and within a
revision the smallest stamp, so that the order of arrival decides nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from schemas.observation import Claims, Observation, What

Stamp = tuple[int, int, int, int]
"""Microseconds since 1970 in UTC, source sequence, rank, microseconds of first receipt."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return _EPOCH + at_us * _MICROSECOND


class Fact(NamedTuple):
    """What one observation contributes. ``order`` sorts the facts of a visit."""

    id: str
    revision: int
    stamp: Stamp
    what: What
    is_state: bool
    patient: str
    claims: Claims
    movement: str | None = None
    cancels_movement: bool = False
    merged_into: str | None = None

    @property
    def order(self) -> tuple[Stamp, str]:
        """The total order of DESIGN section 4: stamp, then id."""
        return (self.stamp, self.id)

    def supersedes(self, other: Fact) -> bool:
        """Whether this telling of the same fact replaces the one held."""
        if self.revision != other.revision:
            return self.revision > other.revision
        return self.stamp < other.stamp


_ROW: Final = TypeAdapter(Fact)
_USUAL_END: Final = b",null,false,null]"  # neither a movement nor a merge: the defaults


def fact_of(said: Observation) -> Fact:
    """The fact in an observation."""
    stamp, movement = said.stamp, said.movement
    return Fact(
        said.id,
        said.revision,
        (microseconds(stamp.at), stamp.sequence, stamp.rank, microseconds(stamp.received_at)),
        said.what,
        said.shape == "state",
        said.patient.key,
        said.claims,
        movement.id if movement else None,
        movement is not None and movement.action == "cancel",
        said.merged_into.key if said.merged_into else None,
    )


def row_of(fact: Fact) -> bytes:
    """The fact as its row of state; what a row usually ends with is left out."""
    row = _ROW.dump_json(fact, exclude_unset=True)
    return row[: -len(_USUAL_END)] + b"]" if row.endswith(_USUAL_END) else row


def parsed(row: bytes) -> Fact:
    """The fact of a row."""
    return _ROW.validate_json(row)
