"""Facts: of an observation, exactly what the folds need, as one compact row of state.

A row is a JSON array in the order of :class:`Fact`'s fields; absent claims are left out and
cleared ones are null. Restart reads a million of them, so a visit keeps its rows as bytes and
parses them when it is first touched.

A fact is known by its id. Said twice, it is one fact: the higher revision says what it claims and
when, and it keeps the place of its first receipt, so that the order of arrival decides nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from schemas.observation import Claims, Observation, What

Stamp = tuple[int, int, int, int]
"""Microseconds since 1970 in UTC, source sequence, microseconds of first receipt, rank."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return _EPOCH + at_us * _MICROSECOND


class Fact(NamedTuple):
    """What one observation contributes.

    ``order`` sorts what was said, ``happened`` what it is about: they differ where ``past`` has the
    microseconds of a movement of the past. ``retells``: it says anew what became of its movement.
    ``series``: what its sequence counts (``versions``).
    ``others``: the patient's other numbers. ``corrects``: the visit is this patient's from now on.
    """

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
    retells: bool = False
    past: int | None = None
    others: tuple[str, ...] = ()
    corrects: bool = False
    series: str | None = None

    @property
    def order(self) -> tuple[Stamp, str]:
        """The total order of DESIGN section 4: stamp, then id."""
        return (self.stamp, self.id)

    @property
    def happened(self) -> tuple[Stamp, str]:
        """As :attr:`order`, by when it took place."""
        if self.past is None:
            return self.order
        return (min((self.past, *self.stamp[1:]), self.stamp), self.id)

    @property
    def is_of_history(self) -> bool:
        """Whether it tells a movement again, or one of the past."""
        return self.retells or self.past is not None

    def told_again(self, other: Fact) -> Fact:
        """The fact once another telling of it has come; the same where that says nothing new.

        Sequence and receipt are the smallest of all tellings: what a sender repeats, or a person has
        read again, stays where it was said first.
        """
        best = other if other.revision > self.revision else self
        same = (each.stamp for each in (self, other) if each.revision == best.revision)
        _, sequences, receipts, _ = zip(self.stamp, other.stamp, strict=True)
        stamp = (min(same)[0], min(sequences), min(receipts), best.stamp[3])
        return best._replace(stamp=stamp)


_ROW: Final = TypeAdapter(Fact)
_USUAL_END: Final = (
    b",null,false,null,false,null,[],false,null]"  # neither a movement nor a merge: the defaults
)
_LEFT: Final = frozenset({"place", "responsible_ward"})
GIVES_BACK: Final = frozenset({What.TRANSFER_CANCELLED, What.DISCHARGE_CANCELLED})
"""Cancels after which the patient is where a movement before had led."""

MOVES: Final = frozenset({What.ADMITTED, What.TRANSFERRED, What.TRACKED, What.UPDATED})
"""What may be told again, or of the past (IHE PAM)."""


def fact_of(said: Observation) -> Fact:
    """The fact in an observation."""
    stamp, movement = said.stamp, said.movement
    move = movement if said.what in MOVES else None
    return Fact(
        said.id,
        said.revision,
        (microseconds(stamp.at), stamp.sequence, microseconds(stamp.received_at), stamp.rank),
        said.what,
        said.shape == "state",
        said.patient.key,
        _claims(said),
        movement.id if movement else None,
        movement is not None and movement.action == "cancel",
        said.merged_into.key if said.merged_into else None,
        move is not None and move.action == "update",
        _past(said) if move and move.historic and move.action != "cancel" else None,
        said.patient.other_keys,
        said.corrects_patient,
        stamp.series,
    )


def _claims(said: Observation) -> Claims:
    """What is claimed; where it could not be read, it is not as before: who moved has left."""
    lost = _LEFT.intersection(said.unread)
    if not lost or said.what in GIVES_BACK:
        return said.claims
    return said.claims.model_copy(update=dict.fromkeys(lost))


def _past(said: Observation) -> int:
    """When a movement of the past took place; without a time before all else, where it is mute."""
    return microseconds(said.occurred_at) if said.occurred_at else 0


def row_of(fact: Fact) -> bytes:
    """The fact as its row of state; what a row usually ends with is left out."""
    row = _ROW.dump_json(fact, exclude_unset=True)
    return row[: -len(_USUAL_END)] + b"]" if row.endswith(_USUAL_END) else row


def parsed(row: bytes) -> Fact:
    """The fact of a row."""
    return _ROW.validate_json(row)
