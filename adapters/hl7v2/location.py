"""PL (person location) and ward codes, resolved by the ward register.

Source: HL7 v2.5.1 chapter 2A, PL: ward ^ room ^ bed ^ facility ^ …; order and count differ between
senders, so the layout is the feed's profile. Nothing is guessed: a code that the register does not
know, and a date where a location should be (one vendor fills PV1-42 so), give no location.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from adapters.common.outcome import MAX_TEXT_CHARS, Trouble
from adapters.common.text import cleaned, is_readable, unreadable, was_cleaned
from adapters.common.ward import ward_unknown
from adapters.hl7v2.case import Case, too_long
from adapters.hl7v2.profile import FieldPath, LocationLayout
from adapters.hl7v2.reader import NULL, Encoding, Segment
from schemas.observation import Location
from schemas.ward import WardRegister

WITHOUT_WARD: Final = "location-without-ward"
IS_A_TIME: Final = "location-is-a-time"
NO_WARD: Final = frozenset({WITHOUT_WARD, IS_A_TIME})
"""Troubles of a filled field that names no ward at all, known or unknown."""

XON_ID: Final = 10  # organisation identifier
MOST_KNOWN: Final = 10_000  # a region has some thousand beds, and each is named again and again
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
        self._known = lru_cache(MOST_KNOWN)(self._of_place)

    def read(self, segment: Segment, path: FieldPath, case: Case) -> Location | Trouble | None:
        """A filled field's location; None where it is cleared; the trouble where it has none."""
        if path.component:
            return self._of_ward(self.ward(segment, path))
        found = self._known(segment.raw(path.field), path.text, segment.encoding)
        if found.is_cleaned:
            case.note(was_cleaned(path.text))
        return found.location

    def _of_place(self, raw: str, where: str, encoding: Encoding) -> _Found:
        segment = Segment(["", raw], *encoding)
        components = segment.components(segment.repetitions(1)[0])
        ward = self._ward(self._code(segment, components), where)
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
        return self._ward(code or segment.first(path.field, path.component or 1), path.text)

    def _ward(self, code: str, where: str) -> str | Trouble | None:
        if code == NULL:
            return None
        if not code:
            return _nameless(where)
        if not is_readable(code):
            return unreadable(where)
        return self._resolve(code) or self._unknown(code, where)

    @staticmethod
    def _of_ward(ward: str | Trouble | None) -> Location | Trouble | None:
        return Location(ward=ward) if isinstance(ward, str) else ward

    def _code(self, segment: Segment, components: list[str]) -> str:
        if self._layout.ward > len(components):
            return NULL if components == [NULL] else ""
        # an HD: the namespace id, else the universal id
        return next(filter(None, segment.subcomponents(components[self._layout.ward - 1])), "")

    def _resolve(self, code: str) -> str | None:
        if len(code) > MAX_TEXT_CHARS:
            return None
        if self._wards.is_open and _DATE.fullmatch(code):
            return None
        return self._wards.resolve(self._source, code)

    def _unknown(self, code: str, where: str) -> Trouble:
        if _DATE.fullmatch(code):
            return Trouble(IS_A_TIME, "a time stands where a ward should", where)
        return ward_unknown(where)


def _nameless(where: str) -> Trouble:
    return Trouble(WITHOUT_WARD, "the location names no ward", where)


def _part(segment: Segment, components: list[str], position: int | None) -> str:
    if position is None or position > len(components):
        return ""
    text = segment.subcomponents(components[position - 1])[0]
    return "" if text == NULL else text
