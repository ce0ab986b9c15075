"""Facts: what the folds need of an observation, as one compact row of state.

A row is a JSON array in the order of :class:`Fact`'s fields; absent claims are left out and
cleared ones are null. Restart reads a million of them, so a visit keeps its rows as bytes and
parses them when it is first touched.

A fact is known by its id. Said twice, it is one fact: of one feed the higher revision says what it
claims and when, of several feeds see ``readings``, and it keeps the place of its first receipt. So
the order of arrival decides nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from bus.port import Stored
from router.core.readings import Reading, claims_of, newest
from schemas.base import YEARS
from schemas.observation import Claims, Movement, Observation, What

Stamp = tuple[int, int, int, int]
"""Microseconds since 1970 in UTC, source sequence, microseconds of first receipt, rank."""

Order = tuple[Stamp, str]
"""A stamp, then an id: total among a visit's facts (DESIGN section 4)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at_us: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return _EPOCH + at_us * _MICROSECOND


def taken_at(stored: Stored) -> datetime:
    """When the log took a record; of a time that no log of ours can have told, the nearest that one can."""
    earliest, latest = (datetime(year, 1, 1, tzinfo=UTC) for year in (YEARS.start, YEARS.stop))
    at_us = min(max(stored.timestamp_ms * 1000, microseconds(earliest)), microseconds(latest))
    return moment(at_us)


class Fact(NamedTuple):
    """What one observation contributes.

    ``retells``: it corrects what was said of its movement. ``historic``: it is no longer so.
    ``occurs``: microseconds of the time that it is about, where that decides its place in the
    history: a later time than its stamp's lies ahead, an earlier one in the past.
    ``series``: what its sequence counts (``versions``).
    ``feed``: which one's reading it is; of several feeds that whose name sorts first leads, and ``readings``
    are what each of them claims.
    ``others``: the patient's other numbers. ``corrects``: the visit is this patient's from now on.
    """

    id: str
    revision: int
    feed: str
    stamp: Stamp
    what: What
    is_state: bool
    patient: str
    claims: Claims
    movement: str | None = None
    cancels_movement: bool = False
    merged_into: str | None = None
    retells: bool = False
    historic: bool = False
    occurs: int | None = None
    others: tuple[str, ...] = ()
    corrects: bool = False
    series: str | None = None
    readings: tuple[Reading, ...] = ()

    @property
    def order(self) -> Order:
        """When it was said."""
        return (self.stamp, self.id)

    @property
    def lies_ahead(self) -> bool:
        """Whether it had not happened when it was said."""
        return self.occurs is not None and self.occurs > self.stamp[0]

    @property
    def stands(self) -> Order:
        """Its place in the history: of the past when it took place, else when it was said."""
        if self.occurs is None or self.lies_ahead or not self.is_of_history:  # nearly always
            return (self.stamp, self.id)
        return ((self.occurs, *self.stamp[1:]), self.id)

    @property
    def takes_effect(self) -> Order:
        """As :attr:`stands`, and of what lies ahead when its time comes."""
        if self.occurs is None or not self.lies_ahead:
            return self.stands
        return ((self.occurs, *self.stamp[1:]), self.id)

    @property
    def received(self) -> int:
        """Microseconds of the first receipt."""
        return self.stamp[2]

    @property
    def is_of_history(self) -> bool:
        """Whether it tells a movement again, or one of the past."""
        return self.retells or self.historic

    @property
    def is_only_past(self) -> bool:
        """Whether it tells of the past what nobody had told when it was so."""
        return self.historic and not self.retells

    def told_again(self, other: Fact) -> Fact:
        """The fact once another telling of it has come; the same where that says nothing new.

        Sequence and receipt are the smallest of all tellings: what a sender repeats, or a person has
        read again, stays where it was said first.
        """
        best = other if other.leads(self) else self
        same = (each.stamp for each in (self, other) if not best.leads(each))
        _, sequences, receipts, _ = zip(self.stamp, other.stamp, strict=True)
        stamp = (min(same)[0], min(sequences), min(receipts), best.stamp[3])
        told = best._replace(stamp=stamp)
        if self.feed == other.feed and not (self.readings or other.readings):  # nearly always
            return told
        readings = newest((*self._read_as(), *other._read_as()))
        return told._replace(claims=claims_of(readings), readings=readings)

    def leads(self, other: Fact) -> bool:
        """Whether this telling says what happened and of whom: the newer of one feed's, of two the first feed's."""
        if self.feed == other.feed:
            return self.revision > other.revision
        return self.feed < other.feed

    def _read_as(self) -> tuple[Reading, ...]:
        return self.readings or (Reading(self.feed, self.revision, self.claims),)


_ROW: Final = TypeAdapter(Fact)
_USUAL_END: Final = b",null,false,null,false,false,null,[],false,null,[]]"
"""Of a row: neither a movement nor a merge, and of now. These are the defaults."""

_LEFT: Final = frozenset({"place", "responsible_ward"})
GIVES_BACK: Final = frozenset(
    {What.TRANSFER_CANCELLED, What.DISCHARGE_CANCELLED, What.TRACKING_CANCELLED}
)
"""Cancels after which the patient is where a movement before had led."""

CANCELS: Final = GIVES_BACK | {
    What.PLAN_CANCELLED,
    What.DISCHARGE_PLAN_CANCELLED,
    What.ADMISSION_CANCELLED,
    What.DEPARTURE_CANCELLED,
}
"""What takes something back: it stands where it was said, whatever time it repeats."""

MAY_LIE_AHEAD: Final = frozenset(
    {What.ADMITTED, What.TRANSFERRED, What.TRACKED, What.DISCHARGED, What.UPDATED, What.DESCRIBED}
)
"""What does not hold before its time."""

_PLANS: Final = frozenset({What.ADMISSION_PLANNED, What.TRANSFER_PLANNED, What.DISCHARGE_PLANNED})


def fact_of(said: Observation) -> Fact:
    """The fact in an observation."""
    stamp, movement = said.stamp, said.movement
    cancels = movement is not None and movement.action == "cancel"
    happened = None if cancels or said.what in CANCELS else movement
    return Fact(
        said.id,
        said.revision,
        said.feed,
        (microseconds(stamp.at), stamp.sequence, microseconds(stamp.received_at), stamp.rank),
        said.what,
        said.shape == "state",
        said.patient.key,
        _claims(said),
        movement.id or None if movement else None,
        cancels,
        said.merged_into.key if said.merged_into else None,
        _retells(said.what, movement),
        happened is not None and happened.historic,
        _occurs(said, happened),
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


def _retells(what: What, movement: Movement | None) -> bool:
    """An update of now that names a movement (A08) is no other telling of that movement."""
    if what in {What.CORRECTED, What.UPDATED}:
        return what is What.CORRECTED
    return movement is not None and movement.action == "update"


def _occurs(said: Observation, movement: Movement | None) -> int | None:
    """When it takes place; of the past without a time before all else, where it is mute."""
    if said.takes_effect_at is not None and said.what in MAY_LIE_AHEAD:
        return microseconds(said.takes_effect_at)
    if movement is None or not (movement.historic or _retells(said.what, movement)):
        return None
    if said.occurred_at is None:
        return 0 if movement.historic else None
    if said.what in _PLANS and not movement.historic:
        return None  # its time is that of what is planned
    return min(microseconds(said.occurred_at), microseconds(said.stamp.at))


def row_of(fact: Fact) -> bytes:
    """The fact as its row of state; what a row usually ends with is left out."""
    row = _ROW.dump_json(fact, exclude_unset=True)
    return row[: -len(_USUAL_END)] + b"]" if row.endswith(_USUAL_END) else row


def parsed(row: bytes) -> Fact:
    """The fact of a row."""
    return _ROW.validate_json(row)
