"""Which of a patient's numbers the patient's key is made from: never a matter of position.

National numbers first, then the profile's list; where two could be meant, a person must look. Two
feeds of one source that show the same numbers choose the same, whatever protocol each speaks, or
one patient would be two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import Field

from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble
from adapters.common.settings import Section
from schemas.identifiers import OIDS, URIS, IdentifierKind, classify
from schemas.observation import Patient, PatientIdentifier

MAX_IDENTIFIERS: Final = 50
"""More would let the observation outgrow the input it comes from; real ones have a handful."""

NATIONAL: Final = (
    IdentifierKind.PERSONNUMMER,
    IdentifierKind.SAMORDNINGSNUMMER,
    IdentifierKind.NATIONAL_RESERVE,
    IdentifierKind.VGR_RESERVE,
)
"""Best first: a reserve number may stay beside the personnummer that replaced it."""

_SAID: Final = {**OIDS, **URIS}
"""What a number is by the name of whoever gave it."""


class IdentifierChoice(Section):
    """One way to recognise the patient's number among those that are not national."""

    assigner: str | None = Field(
        None,
        description="who gave it: the universal or the namespace id of CX-4, in FHIR the system "
        "as `assigners` has it",
    )
    type: str | None = Field(
        None, description="CX-5, in FHIR the code of the identifier's type, for example MR"
    )


class IdentitySettings(Section):
    """Whose number the patient's key is made from. National numbers go before all others."""

    national_first: bool = Field(default=True, description="prefer national and reserve numbers")
    prefer: tuple[IdentifierChoice, ...] = Field(
        tuple(IdentifierChoice(type=code) for code in ("MR", "MRN", "PI", "PT", "PN")),
        description="among the others, the first of these that is there",
    )
    kinds: Mapping[str, IdentifierKind] = Field(
        default_factory=dict,
        description="what an assigner's numbers are, where their form alone must not decide",
    )


class Number(NamedTuple):
    """One number of a patient, and what is doubtful about it (a stable code) if anything is.

    ``assigners``: every name of whoever gave it, the one that the identifier carries first.
    ``is_old``: the patient had it once; the key is made from it only where there is no other.
    """

    identifier: PatientIdentifier
    assigners: tuple[str, ...]
    type: str = ""
    warning: str | None = None
    is_old: bool = False


class Identified(NamedTuple):
    """A patient, where the numbers stand, and the setting by which one of them was chosen."""

    patient: Patient
    where: str
    rule: str


def number(
    value: str, assigners: Sequence[str], type_code: str, kinds: Mapping[str, IdentifierKind]
) -> Number:
    """A number with its kind: what the feed says of its assigner, else its own form.

    ``assigners``: the names of whoever gave it, best first; empty ones are none.
    """
    names = tuple(filter(None, assigners))
    kind, value, warning = _classified(value, names, kinds)
    identifier = PatientIdentifier(kind=kind, value=value, assigner=names[0] if names else None)
    return Number(identifier, names, type_code, warning)


def patient_of(
    numbers: Sequence[Number], settings: IdentitySettings, keyer: PatientKeyer, where: str
) -> Identified | Trouble:
    """The patient with these numbers, or why it cannot be told which patient that is."""
    if len(numbers) > MAX_IDENTIFIERS:
        return Trouble("patient-unreadable", "too many identifiers", where)
    if not numbers:
        return Trouble("patient-missing", "no identifier says who it is about", where)
    chosen, rule = _chosen([each for each in numbers if not each.is_old] or numbers, settings)
    if chosen is None:
        detail = "several identifiers could be the patient's: name the assigner in the profile"
        return Trouble("patient-ambiguous", detail, where)
    distinct = tuple(dict.fromkeys(each.identifier for each in numbers))
    return Identified(Patient(key=keyer.key(chosen), identifiers=distinct), where, rule)


def _chosen(
    numbers: Sequence[Number], settings: IdentitySettings
) -> tuple[PatientIdentifier | None, str]:
    """The patient's number, or None where several could be; and by which setting."""
    if (only := _only(numbers)) is not None:
        return only, "there is no other number"
    if settings.national_first:
        for kind in NATIONAL:
            if of_kind := [each for each in numbers if each.identifier.kind is kind]:
                return _only(of_kind), "profile.patient.national_first"
    for choice in settings.prefer:
        if matching := [each for each in numbers if _matches(each, choice)]:
            return _only(matching), "profile.patient.prefer"
    return None, ""


def doubts(numbers: Sequence[Number], where: str) -> list[Trouble]:
    """What a person should look at; the numbers are used all the same."""
    warnings = [each.warning for each in numbers if each.warning]
    return [Trouble(warning, "the number is kept; look at it", where) for warning in warnings]


def _classified(
    value: str, names: Sequence[str], kinds: Mapping[str, IdentifierKind]
) -> tuple[IdentifierKind, str, str | None]:
    configured = _named(names, kinds)
    if configured is not None:
        return configured, value, None
    found = classify(value)
    said = _named(names, _SAID)
    if said is not None and found.kind is not said:
        return _doubtful(found.kind, found.value, found.warning)
    if said is None and found.kind is IdentifierKind.UNCERTAIN and names:
        return IdentifierKind.LOCAL, value, None
    return found.kind, found.value, found.warning


def _named(names: Sequence[str], kinds: Mapping[str, IdentifierKind]) -> IdentifierKind | None:
    for name in names:  # no generator: it is asked of every number
        if name in kinds:
            return kinds[name]
    return None


def _doubtful(
    kind: IdentifierKind, value: str, warning: str | None
) -> tuple[IdentifierKind, str, str | None]:
    """A number whose form is not what its assigner's name says."""
    if kind is IdentifierKind.LOCAL:
        return kind, value, "identifier-not-of-its-kind"
    return kind, value, warning or "identifier-of-another-kind"


def _matches(each: Number, choice: IdentifierChoice) -> bool:
    of_type = choice.type is None or choice.type == each.type
    return of_type and (choice.assigner is None or choice.assigner in each.assigners)


def _only(numbers: Sequence[Number]) -> PatientIdentifier | None:
    """The identifier that all of these are, or None where they differ."""
    first = numbers[0].identifier
    if len(numbers) == 1:  # nearly always
        return first
    return first if all(_same(first, each.identifier) for each in numbers[1:]) else None


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    """Whether the patient's key would be the same: a national number is its own, whoever gave it."""
    assigned_alike = one.kind in NATIONAL or one.assigner == other.assigner
    return one.kind is other.kind and one.value == other.value and assigned_alike
