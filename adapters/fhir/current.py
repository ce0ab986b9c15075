"""Which of an Encounter's locations are the place, and which are the mark.

Source: http://hl7.org/fhir/R4/encounter-definitions.html#Encounter.location.status and .period ("time
period during which the patient was present at the location"). Servers keep former locations in the
list, and some do not touch their status any more: what has ended is over, whatever its status.

=====================  ==========================  ======================  =====================
status                 its period lasts            it has ended            it is still to begin
=====================  ==========================  ======================  =====================
planned (reserved      the mark                    over                    the mark
where that marks)
active                 the place                   over                    neither: told
none                   the place, if none is       over                    neither
                       active; while the
                       Encounter is planned: told
another, said absent   neither: told               over                    neither: told
completed, reserved    neither                     over                    neither
=====================  ==========================  ======================  =====================

"Told": ``location-status-unknown``. What it may be is then not said, unless another location is that
for certain: a location that cannot be told never hides one that can. The same where all that was there
is over and a status still says that it is not.

A temporary location is no mark. What has ended is judged by when the version was recorded, what is
still to begin by when it was received. A period without a start begins with the Encounter's own; an end
that cannot be read has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.common.stamp import Moment
from adapters.fhir.element import Element
from adapters.fhir.refusal import RefusedError
from adapters.fhir.times import read_time

TEMPORARY: Final = "temporary-location"
_NEITHER: Final = frozenset({"completed", "reserved", "planned"})


class Lasts(Enum):
    """Where a period stands at a moment."""

    YES = auto()
    ENDED = auto()
    TO_BEGIN = auto()


@dataclass(slots=True)
class Current:
    """An Encounter's locations, by what they are."""

    marks: list[Element] = field(default_factory=list)
    active: list[Element] = field(default_factory=list)
    unsaid: list[Element] = field(default_factory=list)
    later: list[Element] = field(default_factory=list)
    """Without a status, and still to begin."""
    over: list[Element] = field(default_factory=list)
    """Ended, although the status says that it is the place or the mark."""
    untold: list[Element] = field(default_factory=list)
    """It may be the place or the mark."""
    broken: list[Trouble] = field(default_factory=list)
    """Entries of which not even that could be read."""

    @property
    def place(self) -> list[Element]:
        """Where the patient is; none where nothing says so."""
        return self.active or self.unsaid

    @property
    def tells_place(self) -> bool:
        """Whether the place is known, be it that there is none."""
        return bool(self.place) or not (self._may_be_either or any(map(_is_active, self.over)))

    @property
    def tells_mark(self) -> bool:
        """Whether the mark is known, be it that there is none."""
        is_over = not (self.place or all(map(_is_active, self.over)))
        return bool(self.marks) or not (self._may_be_either or is_over)

    @property
    def troubles(self) -> list[Trouble]:
        """What somebody should look at."""
        over = [] if self.place else self.over
        if self.marks:
            over = [each for each in over if _is_active(each)]
        detail = "whether the patient is there, is to come or has left cannot be told"
        found = [
            Trouble("location-status-unknown", detail, f"{each.path}.status")
            for each in (*self.untold, *over)
        ]
        return [replace(each, mark_unread=not self.tells_mark) for each in (*self.broken, *found)]

    @property
    def _may_be_either(self) -> bool:
        return bool(self.untold or self.broken)


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
        start = self._begun(encounter)
        for each in encounter.elements("location"):
            try:
                self._sort(each, self._lasts(each, start, at, now), found)
            except RefusedError as refused:
                found.broken.append(refused.beside())
        if encounter.text("status") == "planned":
            found.untold += [] if found.marks else [*found.unsaid, *found.later]
            found.unsaid = []
        return found

    def _sort(self, entry: Element, lasts: Lasts, found: Current) -> None:
        status = entry.text("status")
        if status in self._marking and not is_temporary(entry):
            (found.over if lasts is Lasts.ENDED else found.marks).append(entry)
        elif status == "active":
            by_time = {Lasts.YES: found.active, Lasts.ENDED: found.over}
            by_time.get(lasts, found.untold).append(entry)
        elif not status and "_status" not in entry:
            by_time = {Lasts.YES: found.unsaid, Lasts.TO_BEGIN: found.later}
            by_time.get(lasts, []).append(entry)
        elif status not in _NEITHER and lasts is not Lasts.ENDED:
            found.untold.append(entry)

    def _lasts(self, entry: Element, begun: datetime | None, at: datetime, now: datetime) -> Lasts:
        period = entry.element("period")
        if period is not None and "end" in period:
            end = self._moment(period, "end")
            if end is None or end <= at:
                return Lasts.ENDED
        start = self._start(entry, "period") or begun
        return Lasts.TO_BEGIN if start is not None and start > now else Lasts.YES

    def _begun(self, encounter: Element) -> datetime | None:
        try:
            return self._start(encounter, self._period)
        except RefusedError:
            return None  # of no concern to locations with periods of their own

    def _start(self, element: Element, name: str) -> datetime | None:
        period = element.element(name)
        return self._moment(period, "start") if period is not None else None

    def _moment(self, period: Element, name: str) -> datetime | None:
        text = period.text(name)
        found = read_time(text, f"{period.path}.{name}", self._zone) if text else None
        return found.at if isinstance(found, Moment) else None


def _is_active(entry: Element) -> bool:
    return entry.text("status") == "active"


def is_temporary(entry: Element) -> bool:
    """Whether it is a temporary location (v2-to-FHIR mapping, PL of PV1-11)."""
    return any(
        each.uri("url").endswith(TEMPORARY) and each.content.get("valueBoolean") is not False
        for each in entry.elements("extension")
    )


def where_of(entries: Sequence[Element], encounter: Element) -> str:
    """The only entry, or the list that several or none of them are in."""
    return entries[0].path if len(entries) == 1 else f"{encounter.path}.location"
