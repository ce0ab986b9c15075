"""Chooses among an Encounter's locations the place and the mark.

Source: http://hl7.org/fhir/R4/encounter-definitions.html#Encounter.location.status and .period ("time
period during which the patient was present at the location"). Servers keep former locations in the
list, and some do not touch their status any more: a place that has ended is over, whatever its status.
A plan whose time has passed is a plan still: nothing expires by itself.

=====================  ==========================  ======================  =====================
status                 its period lasts            it has ended            it is still to begin
=====================  ==========================  ======================  =====================
planned (reserved      the mark                    overdue: may be the     the mark
where that marks)                                  mark
active                 the place                   outdated: may be the    either
                                                   place
none                   the place, if none is       over                    neither
                       active
none, the Encounter    either, if there is no      over                    either, if there is no
is planned             mark                                                mark
another, said absent   either                      over                    either
completed, reserved    neither                     over                    neither
active or none, and    the temporary place         over                    neither
temporary
=====================  ==========================  ======================  =====================

"Either" and "may be" are doubts, told as ``location-status-unknown`` or ``planned-location-overdue``. What a
doubt is about is not said, and what was known before stays, unless another location is that for certain.
An outdated location is none beside a place, nor an overdue one beside a mark or where the patient is by now.
On the last day of a period that names no hour a location lasts, but a place gives way to one that lasts
beyond: a source that keeps days tells a move so.

A temporary location is neither place nor mark, so it makes neither doubtful. What has ended is judged by
when the version was recorded, what is still to begin by when it was received. A period without a start
begins with the Encounter's own; an end includes the day, month or year that it names, and one that cannot be
read has passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, IntEnum, auto
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.fhir.element import Element
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.times import TimeSpan, span_of

TEMPORARY: Final = "temporary-location"
_NEITHER: Final = frozenset({"completed", "reserved", "planned"})

Claim = Literal["place", "mark"]


class Lasts(IntEnum):
    """Where a period stands at a moment: the columns of a :class:`StatusRow`."""

    YES = 0
    LAST_DAY = 1
    """It ends with the day (or month, or year) that the moment is in."""
    ENDED = 2
    TO_BEGIN = 3


class Is(Enum):
    """What a location is."""

    MARK = auto()
    PLACE = auto()
    PLACE_TODAY = auto()
    UNSAID = auto()
    """The place, if no location says by its status that it is."""
    UNSAID_TODAY = auto()
    TEMPORARY = auto()
    NEITHER = auto()
    OVERDUE = auto()
    OUTDATED = auto()
    EITHER = auto()
    EITHER_OF_PLANNED = auto()


class StatusRow(NamedTuple):
    """What the locations of one kind of status are, by where their period stands."""

    lasts: Is
    last_day: Is
    ended: Is
    to_begin: Is


_MARKING: Final = StatusRow(Is.MARK, Is.MARK, Is.OVERDUE, Is.MARK)
_ACTIVE: Final = StatusRow(Is.PLACE, Is.PLACE_TODAY, Is.OUTDATED, Is.EITHER)
_UNSAID: Final = StatusRow(Is.UNSAID, Is.UNSAID_TODAY, Is.NEITHER, Is.NEITHER)
_UNSAID_OF_PLANNED: Final = StatusRow(
    Is.EITHER_OF_PLANNED, Is.EITHER_OF_PLANNED, Is.NEITHER, Is.EITHER_OF_PLANNED
)
_ANOTHER: Final = StatusRow(Is.EITHER, Is.EITHER, Is.NEITHER, Is.EITHER)
_OVER: Final = StatusRow(Is.NEITHER, Is.NEITHER, Is.NEITHER, Is.NEITHER)
_FOR_A_WHILE: Final = StatusRow(Is.TEMPORARY, Is.TEMPORARY, Is.NEITHER, Is.NEITHER)
_PLACES: Final = (Is.PLACE, Is.PLACE_TODAY, Is.UNSAID, Is.UNSAID_TODAY)
"""What says where the patient is, best first."""


class LocationDoubt(NamedTuple):
    """What a location may be, which claim leaves no doubt, and what to tell.

    ``child``: the element that is wrong.
    """

    may_be: frozenset[Claim]
    settled_by: Claim | None
    reason: str
    detail: str
    child: str

    def trouble(self, entry: Element) -> Trouble:
        """Of one location."""
        return Trouble(self.reason, self.detail, f"{entry.path}.{self.child}")


_BOTH: Final[frozenset[Claim]] = frozenset({"place", "mark"})
LOCATION_UNKNOWN: Final = "location-status-unknown"
LOCATION_OVERDUE: Final = "planned-location-overdue"
_UNTOLD: Final = (
    "whether the patient is there, is to come or has left cannot be told: the sender should give it the "
    "status planned, active or completed, and a period that agrees"
)
_DOUBTS: Final[Mapping[Is, LocationDoubt]] = {
    Is.EITHER: LocationDoubt(_BOTH, None, LOCATION_UNKNOWN, _UNTOLD, "status"),
    Is.EITHER_OF_PLANNED: LocationDoubt(_BOTH, "mark", LOCATION_UNKNOWN, _UNTOLD, "status"),
    Is.OUTDATED: LocationDoubt(
        frozenset({"place"}),
        "place",
        LOCATION_UNKNOWN,
        "its status says that the patient is there, and its period has ended, or ends at no time that can be "
        "read: correct one of them in the source",
        "status",
    ),
    Is.OVERDUE: LocationDoubt(
        frozenset({"mark"}),
        "mark",
        LOCATION_OVERDUE,
        "it is still planned, and its period has ended, or ends at no time that can be read: what was "
        "planned before stays; give it its new time, or end the plan in the source",
        "period.end",
    ),
}


@dataclass(slots=True)
class Current:
    """An Encounter's locations, by what they are."""

    found: dict[Is, list[Element]] = field(default_factory=dict)
    broken: list[Trouble] = field(default_factory=list)
    """Of entries of which not even that could be read: each may be the place or the mark."""

    def add(self, kind: Is, entry: Element) -> None:
        """One more location."""
        if kind in self.found:
            self.found[kind].append(entry)
        else:
            self.found[kind] = [entry]

    @property
    def place(self) -> Sequence[Element]:
        """Where the patient is; none where nothing says so."""
        return next((self.found[kind] for kind in _PLACES if kind in self.found), ())

    @property
    def is_by_status(self) -> bool:
        """Whether a status says which is the place."""
        return Is.PLACE in self.found or Is.PLACE_TODAY in self.found

    @property
    def marks(self) -> Sequence[Element]:
        """Where the patient is meant to come."""
        return self.found.get(Is.MARK, ())

    @property
    def temporary(self) -> Sequence[Element]:
        """Where the patient is for a while."""
        return self.found.get(Is.TEMPORARY, ())

    def tells(self, claim: Claim) -> bool:
        """Whether it is known what the place or the mark is, be it that there is none."""
        if self._of(claim) or self.is_plain:
            return True
        return not self.broken and not any(claim in doubt.may_be for doubt, _ in self._doubts())

    @property
    def troubles(self) -> list[Trouble]:
        """What somebody should look at."""
        if self.is_plain:
            return []
        doubts = self._doubts()
        told = [doubt.trouble(each) for doubt, entries in doubts for each in entries]
        hides_mark = not self.tells("mark")
        return [replace(each, mark_unread=hides_mark) for each in (*self.broken, *told)]

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing doubtful, as nearly always."""
        return not self.broken and self.found.keys().isdisjoint(_DOUBTS)

    def without_marks(self) -> Current:
        """The same of an Encounter that designates nobody."""
        left = {kind: entries for kind, entries in self.found.items() if kind not in _MAY_MARK}
        return Current(left, self.broken)

    def _of(self, claim: Claim) -> Sequence[Element]:
        return self.place if claim == "place" else self.marks

    def _doubts(self) -> list[tuple[LocationDoubt, list[Element]]]:
        """Those that no other location settles."""
        return [
            (doubt, self.found[kind])
            for kind, doubt in _DOUBTS.items()
            if kind in self.found and not (doubt.settled_by and self._of(doubt.settled_by))
        ]


_MAY_MARK: Final = frozenset({Is.MARK, Is.OVERDUE, Is.EITHER_OF_PLANNED})


class CurrentReader:
    """Sorts the locations of one feed's Encounters; ``marking`` are the statuses of a mark."""

    def __init__(
        self, marking: frozenset[str], zone: ZoneInfo, skew: timedelta, period: str
    ) -> None:
        self._marking = marking
        self._zone = zone
        self._skew = skew
        self._period = period

    def read(self, encounter: Element, at: datetime, received_at: datetime) -> Current:
        """What each location is. Raises RefusedError where they are no list.

        ``at``: when the version was recorded.
        """
        now = max(at, received_at) + self._skew
        found = Current()
        entries = encounter.elements("location")
        begun = self._begun(encounter) if entries else None
        unsaid = _UNSAID_OF_PLANNED if encounter.text("status") == "planned" else _UNSAID
        for each in entries:
            try:
                row = self._row(each, unsaid)
                found.add(row[self._lasts(each, begun, at, now)], each)
            except ResourceRefusedError as refused:
                found.broken.append(refused.beside())
        if Is.OVERDUE in found.found:
            _drop_arrived(found)
        return found

    def _row(self, entry: Element, unsaid: StatusRow) -> StatusRow:
        status = entry.text("status")
        if "extension" in entry and is_temporary(entry):
            is_there = status == "active" or _says_none(entry, status)
            return _FOR_A_WHILE if is_there else _OVER
        if status in self._marking:
            return _MARKING
        if status == "active":
            return _ACTIVE
        if status in _NEITHER:
            return _OVER
        return unsaid if _says_none(entry, status) else _ANOTHER

    def _lasts(self, entry: Element, begun: datetime | None, at: datetime, now: datetime) -> Lasts:
        period = entry.element("period")
        start = end = None
        if period is not None:
            if "end" in period:
                end = self._bound(period, "end")
                if end is None or end.end <= at:
                    return Lasts.ENDED
            start = self._bound(period, "start")
        first = start.start if start is not None else begun
        if first is not None and first > now:
            return Lasts.TO_BEGIN
        return Lasts.LAST_DAY if end is not None and end.start <= at else Lasts.YES

    def _begun(self, encounter: Element) -> datetime | None:
        try:
            period = encounter.element(self._period)
            start = self._bound(period, "start") if period is not None else None
        except ResourceRefusedError:
            return None  # of no concern to locations with periods of their own
        return start.start if start is not None else None

    def _bound(self, period: Element, name: str) -> TimeSpan | None:
        text = period.text(name)
        return span_of(text, self._zone) if text else None


def _says_none(entry: Element, status: str) -> bool:
    """Whether there is no status, nor a reason why there is none."""
    return not status and "_status" not in entry


def _drop_arrived(current: Current) -> None:
    """Where the patient is by now, nobody is overdue."""
    there = {_reference(each) for each in current.place} - {""}
    overdue = [each for each in current.found.pop(Is.OVERDUE) if _reference(each) not in there]
    if overdue:
        current.found[Is.OVERDUE] = overdue


def _reference(entry: Element) -> str:
    """The location's address; one that cannot be read is asked for where the place is read."""
    try:
        location = entry.element("location")
        return location.uri("reference") if location is not None else ""
    except ResourceRefusedError:
        return ""


def is_temporary(entry: Element) -> bool:
    """Whether it is a temporary location (v2-to-FHIR mapping, PL of PV1-11)."""
    return any(
        each.uri("url").endswith(TEMPORARY) and each.content.get("valueBoolean") is not False
        for each in entry.elements("extension")
    )


def where_of(entries: Sequence[Element], encounter: Element) -> str:
    """The only entry, or the list that several or none of them are in."""
    return entries[0].path if len(entries) == 1 else f"{encounter.path}.location"
