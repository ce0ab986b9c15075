"""Checks a FHIR feed's settings against each other: codes that never match, choices never reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.common.doubt import Doubt, blank_ends, never_reached, same_but_for_case
from adapters.fhir.profile import FhirProfile

_OID: Final = "urn:oid:"


def doubts(profile: FhirProfile) -> Iterator[Doubt]:
    """What cannot be right, or probably is not; places begin at the profile."""
    place = ("profile", "protection")
    yield from blank_ends(profile.protection, place)
    yield from same_but_for_case(profile.protection, place)
    for label in profile.protection:
        if label.count("|") != 1 or label.endswith("|"):
            text = f"{label!r} never matches: a label is its system, a bar and its code"
            yield Doubt((*place, label), text)
    choices = [dict(each) for each in profile.patient.prefer]
    yield from never_reached(choices, ("profile", "patient", "prefer"))
    yield from blank_ends(profile.patient.kinds, ("profile", "patient", "kinds"))
    yield from blank_ends(
        dict.fromkeys(profile.patient.placeholders), ("profile", "patient", "placeholders")
    )
    for system, assigner in profile.assigners.items():
        other = profile.assigners.get(system.removeprefix(_OID), assigner)
        if other != assigner:
            text = f"{system!r} stands there twice, with and without {_OID}: take one away"
            yield Doubt(("profile", "assigners", system), text)
