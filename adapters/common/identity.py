"""Which of a patient's numbers the patient's key is made from: never a matter of position.

National numbers first, then the profile's list; where two could be meant, a person must look. Two
feeds of one source that show the same numbers must choose the same, or one patient would be two:
a test holds the HL7 adapter's choice against this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.identifiers import OIDS, URIS, IdentifierKind, classify
from schemas.observation import PatientIdentifier

NATIONAL: Final = (
    IdentifierKind.PERSONNUMMER,
    IdentifierKind.SAMORDNINGSNUMMER,
    IdentifierKind.NATIONAL_RESERVE,
    IdentifierKind.VGR_RESERVE,
)
"""Best first: a reserve number may stay beside the personnummer that replaced it."""


class Number(NamedTuple):
    """One number of a patient, and what is doubtful about it (a stable code) if anything is."""

    identifier: PatientIdentifier
    type: str = ""
    warning: str | None = None


class Preference(NamedTuple):
    """One way to recognise the patient's number among those that are not national."""

    assigner: str | None
    type: str | None


def number(
    value: str, assigner: str, type_code: str, kinds: Mapping[str, IdentifierKind]
) -> Number:
    """A number with its kind: what the feed says of its assigner, else its own form."""
    kind, value, warning = _classified(value, assigner, kinds)
    identifier = PatientIdentifier(kind=kind, value=value, assigner=assigner or None)
    return Number(identifier, type_code, warning)


def chosen(
    numbers: Sequence[Number], preferences: Sequence[Preference], *, national_first: bool
) -> PatientIdentifier | None:
    """The patient's number, or None where several could be."""
    if national_first:
        for kind in NATIONAL:
            if of_kind := [each for each in numbers if each.identifier.kind is kind]:
                return _only(of_kind)
    for preference in preferences:
        if matching := [each for each in numbers if _matches(each, preference)]:
            return _only(matching)
    return _only(numbers)


def _classified(
    value: str, assigner: str, kinds: Mapping[str, IdentifierKind]
) -> tuple[IdentifierKind, str, str | None]:
    if assigner in kinds:
        return kinds[assigner], value, None
    found = classify(value)
    said = OIDS.get(assigner) or URIS.get(assigner)
    if said is not None and found.kind is not said:
        return _doubtful(found.kind, found.value, found.warning)
    if said is None and found.kind is IdentifierKind.UNCERTAIN and assigner:
        return IdentifierKind.LOCAL, value, None
    return found.kind, found.value, found.warning


def _doubtful(
    kind: IdentifierKind, value: str, warning: str | None
) -> tuple[IdentifierKind, str, str | None]:
    """A number whose form is not what its assigner says."""
    if kind is IdentifierKind.LOCAL:
        return kind, value, "identifier-not-of-its-kind"
    return kind, value, warning or "identifier-of-another-kind"


def _matches(each: Number, preference: Preference) -> bool:
    of_type = preference.type is None or preference.type == each.type
    return of_type and preference.assigner in {None, each.identifier.assigner}


def _only(numbers: Sequence[Number]) -> PatientIdentifier | None:
    """The identifier that all of these are, or None where they differ."""
    first = numbers[0].identifier
    return first if all(_same(first, each.identifier) for each in numbers[1:]) else None


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    return one.value == other.value and (one.kind in NATIONAL or one.assigner == other.assigner)
