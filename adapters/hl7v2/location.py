"""Reads PL (person location) and resolves ward codes by the ward register.

Source: HL7 v2.5.1 chapter 2A, PL: ward ^ room ^ bed ^ facility ^ …; order and count differ between
senders, so the layout is the feed's profile. The facility (an HD: namespace id & universal id) tells
which hospital's ward it is; of an XON it is component 8. Nothing is guessed: a code that the register
does not know, or not for that facility, and a date where a location should be (one vendor fills PV1-42
so), give no location.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from adapters.common.outcome import MAX_TEXT_CHARS, Trouble
from adapters.common.text import cleaned, is_readable, unreadable, was_cleaned
from adapters.common.ward import unresolved
from adapters.hl7v2.case import Case, too_long
from adapters.hl7v2.fields import FieldPath
from adapters.hl7v2.limits import MAX_CACHED_CHARS
from adapters.hl7v2.profile import LocationLayout
from adapters.hl7v2.reader import NULL, Encoding, Segment
from schemas.observation import Location
from schemas.ward import Unresolved, WardRegister

WITHOUT_WARD: Final = "location-without-ward"
IS_A_TIME: Final = "location-is-a-time"
NO_WARD: Final = frozenset({WITHOUT_WARD, IS_A_TIME})
"""Troubles of a filled field that names no ward at all, known or unknown."""

XON_ID: Final = 10  # organisation identifier
_XON_FACILITY: Final = 8
_HD_NAMES: Final = 2  # namespace id, universal id; the third is the universal id's type
MOST_KNOWN: Final = 10_000
"""Places that are remembered as they were read: a region has some thousand beds, each named again and again."""

_DATE: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4,6}(?:\.\d+)?)?(?:[+-]\d{4})?"
)


class _Found(NamedTuple):
    """What a field holds, and whether something was removed from its room or bed."""

    location: Location | Trouble | None
    is_cleaned: bool = False


class LocationReader:
    """Reads locations of one source."""

    def __init__(self, layout: LocationLayout, wards: WardRegister, source: str) -> None:
        self._layout = layout
        self._wards = wards
        self._source = source
        self._facility = layout.facility_component
        self._default = (layout.default_facility,) if layout.default_facility else ()
        self._known = lru_cache(MOST_KNOWN)(self._of_place)

    def read(self, segment: Segment, path: FieldPath, case: Case) -> Location | Trouble | None:
        """A filled field's location; None where it is cleared; the trouble where it has none."""
        if path.component:
            return self._of_ward(self.ward(segment, path))
        raw = segment.raw(path.field)
        read = self._known if len(raw) <= MAX_CACHED_CHARS else self._of_place
        found = read(raw, path.text, segment.encoding)
        if found.is_cleaned:
            case.note(was_cleaned(path.text))
        return found.location

    def facilities(self, segment: Segment, path: FieldPath) -> tuple[str, ...]:
        """The names of the facility that a whole location gives by itself."""
        if path.component:
            return ()
        components = segment.components(next(iter(segment.repetitions(path.field)), ""))
        return self._said(segment, components, self._facility)

    def is_elsewhere(self, ward: str, facilities: tuple[str, ...]) -> bool:
        """Whether the facilities' names tell another hospital than the ward's."""
        return self._wards.is_elsewhere(self._source, ward, facilities)

    def _of_place(self, raw: str, where: str, encoding: Encoding) -> _Found:
        segment = Segment(["", raw], *encoding)
        components = segment.components(segment.repetitions(1)[0])
        facilities = self._facilities(segment, components, self._facility)
        ward = self._ward(self._code(segment, components), facilities, where)
        if not isinstance(ward, str):
            return _Found(ward)
        said, is_cleaned = {"ward": ward}, False
        for name, position in (("room", self._layout.room), ("bed", self._layout.bed)):
            text = _part(segment, components, position)
            if clean := cleaned(text):
                said[name] = clean
            is_cleaned |= clean != text
        if max(map(len, said.values())) > MAX_TEXT_CHARS:
            return _Found(too_long(where))
        return _Found(Location.model_validate(said), is_cleaned)

    def ward(self, segment: Segment, path: FieldPath) -> str | Trouble | None:
        """The ward a filled field names: its component, else an XON's identifier, else its first."""
        code = segment.first(path.field, path.component or XON_ID)
        code = code or segment.first(path.field, path.component or 1)
        components = segment.components(next(iter(segment.repetitions(path.field)), ""))
        position = None if path.component else _XON_FACILITY
        return self._ward(code, self._facilities(segment, components, position), path.text)

    def _ward(self, code: str, facilities: tuple[str, ...], where: str) -> str | Trouble | None:
        if code == NULL:
            return None
        if not code:
            return _nameless(where)
        if not is_readable(code):
            return unreadable(where)
        return self._resolve(code, facilities, where)

    @staticmethod
    def _of_ward(ward: str | Trouble | None) -> Location | Trouble | None:
        return Location(ward=ward) if isinstance(ward, str) else ward

    def _code(self, segment: Segment, components: list[str]) -> str:
        if self._layout.ward > len(components):
            return NULL if components == [NULL] else ""
        # an HD: the namespace id, else the universal id
        return next(filter(None, segment.subcomponents(components[self._layout.ward - 1])), "")

    def _facilities(
        self, segment: Segment, components: list[str], position: int | None
    ) -> tuple[str, ...]:
        """The names of the place's facility; the feed's own where the place gives none."""
        return self._said(segment, components, position) or self._default

    @staticmethod
    def _said(segment: Segment, components: list[str], position: int | None) -> tuple[str, ...]:
        if position is None or position > len(components):
            return ()
        names = segment.subcomponents(components[position - 1])[:_HD_NAMES]
        return tuple(name for name in names if name and name != NULL)

    def _resolve(self, code: str, facilities: tuple[str, ...], where: str) -> str | Trouble:
        is_time = _DATE.fullmatch(code) is not None
        ward: str | Unresolved = Unresolved.UNKNOWN
        if len(code) <= MAX_TEXT_CHARS and not (is_time and self._wards.is_open):
            ward = self._wards.resolve(self._source, code, facilities)
        if isinstance(ward, str):
            return ward
        if is_time and ward is Unresolved.UNKNOWN:
            return Trouble(IS_A_TIME, "a time stands where a ward should", where)
        return unresolved(ward, where)


def _nameless(where: str) -> Trouble:
    return Trouble(WITHOUT_WARD, "the location names no ward", where)


def _part(segment: Segment, components: list[str], position: int | None) -> str:
    if position is None or position > len(components):
        return ""
    text = segment.subcomponents(components[position - 1])[0]
    return "" if text == NULL else text
