"""Checks an HL7 v2 feed's settings against each other: codes that never match, choices never reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from adapters.common.doubt import Doubt, blank_ends, never_reached, same_but_for_case
from adapters.hl7v2.profile import Hl7Profile

_DELIMITERS: Final = frozenset("|^~&")
"""Of the default encoding characters: a code with one of them is two components."""


def doubts(profile: Hl7Profile) -> Iterator[Doubt]:
    """What cannot be right, or probably is not; places begin at the profile."""
    tables: Mapping[str, Mapping[str, object]] = {
        name: codes for name, codes in profile.protection if isinstance(codes, Mapping)
    }
    for name, codes in tables.items():
        place = ("profile", "protection", name)
        yield from blank_ends(codes, place)
        yield from same_but_for_case(codes, place)
        for code in codes:
            if set(code) & _DELIMITERS:
                text = f"{code!r} never matches: it is cut where it has a delimiter; give its first component"
                yield Doubt((*place, code), text)
    choices = [dict(each) for each in profile.patient.prefer]
    yield from never_reached(choices, ("profile", "patient", "prefer"))
    yield from blank_ends(profile.patient.kinds, ("profile", "patient", "kinds"))
    yield from blank_ends(
        dict.fromkeys(profile.patient.placeholders), ("profile", "patient", "placeholders")
    )
    yield from blank_ends(profile.charsets, ("profile", "charsets"))
    yield from _fields(profile)


def _fields(profile: Hl7Profile) -> Iterator[Doubt]:
    """A field that stands for two things tells one of them wrongly."""
    for trigger, rule in profile.marks.items():
        place = ("profile", "marks", trigger)
        if profile.visit in {each.field for each in rule.fields}:
            text = f"{profile.visit} is the visit's number (profile.visit), which holds no ward: name another field"
            yield Doubt(place, text)
        yield from never_reached([dict(each) for each in rule.fields], (*place, "fields"))
    layout = profile.location
    parts = [part for part in (layout.ward, layout.room, layout.bed) if part is not None]
    if len(set(parts)) < len(parts):
        text = 'ward, room and bed are components of their own: one stands for two; set what is not there to ""'
        yield Doubt(("profile", "location"), text, is_error=False)
