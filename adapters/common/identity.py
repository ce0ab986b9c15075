"""Chooses the number of a patient that the patient key is made from; the position never decides.

National numbers first, then the profile's list; where two could be meant, a person must look. Two
feeds of one source that show the same numbers choose the same, whatever protocol each speaks, or
one patient would be two. All other numbers go along as the patient's other keys, so that whoever is
named by one of them is found.

A number that is no longer valid, or not yet, is chosen only where no other is there; one for a while or
a side purpose (FHIR ``temp``, ``secondary``) only where no other is of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import Field

from adapters.common.keys import SourceKeyer
from adapters.common.numbers import LOST_ZEROS, fault_of, has_lost_zeros
from adapters.common.outcome import Trouble
from adapters.common.settings import OrNone, Section
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

PATIENT_UNREADABLE: Final = "patient-unreadable"
NUMBER_UNREADABLE: Final = "identifier-unreadable"
_SAID: Final = {**OIDS, **URIS}
"""What a number is by the name of whoever gave it."""
_OF_TEN_OR_TWELVE_DIGITS: Final = frozenset(
    {IdentifierKind.PERSONNUMMER, IdentifierKind.SAMORDNINGSNUMMER}
)


class IdentifierChoice(Section):
    """One way to recognise the patient's number among those that are not national."""

    assigner: OrNone[str] = Field(
        None,
        description="who gave it: the universal or the namespace id of CX-4, in FHIR the system, "
        "each as `assigners` has it",
    )
    type: OrNone[str] = Field(
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
    placeholders: frozenset[str] = Field(
        frozenset(),
        description="what the sender writes where it has no number, for example 0000000000: "
        "nobody's, and passed over",
    )


class PatientNumber(NamedTuple):
    """One number of a patient, and what is doubtful about it (a stable code) if anything is.

    ``assigners``: every name of whoever gave it, the one that the identifier carries first.
    ``fault``: what it looks like, where that is no patient's number. ``is_old``: it is not valid by now.
    ``is_secondary``: it is given for a while, or for a purpose beside the main one.
    """

    identifier: PatientIdentifier
    assigners: tuple[str, ...]
    type: str = ""
    warning: str | None = None
    fault: str | None = None
    is_old: bool = False
    is_secondary: bool = False


class Identified(NamedTuple):
    """A patient, where the numbers stand, and the setting by which one of them was chosen."""

    patient: Patient
    where: str
    rule: str


def assigner_names(names: Sequence[str], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Every name of an assigner, best first, its name in the feed's table of ``assigners`` before all.

    With it a number under the namespace id and under the universal id of one assigner is one number.
    """
    given = tuple(filter(None, names))
    if aliases:
        for name in given:
            if name in aliases:
                return tuple(dict.fromkeys((aliases[name], *given)))
    return given


def number(
    value: str, assigners: Sequence[str], type_code: str, kinds: Mapping[str, IdentifierKind]
) -> PatientNumber:
    """A number with its kind: what the feed says of its assigner, else its own form.

    ``assigners``: the names of whoever gave it, best first; empty ones are none.
    """
    names = tuple(filter(None, assigners))
    fault = fault_of(value)
    if fault is None and has_lost_zeros(value) and _gives_personnummer(names, kinds):
        fault = LOST_ZEROS
    kind, value, warning = _classified(value, names, kinds)
    identifier = PatientIdentifier(kind=kind, value=value, assigner=names[0] if names else None)
    return PatientNumber(identifier, names, type_code, warning, fault)


def patient_of(
    numbers: Sequence[PatientNumber], settings: IdentitySettings, keyer: SourceKeyer, where: str
) -> Identified | Trouble:
    """The patient with these numbers, or why it cannot be told which patient that is."""
    return _patient_of(numbers, settings, keyer, where, any_of_them=False)


def ceasing_patient_of(
    numbers: Sequence[PatientNumber], settings: IdentitySettings, keyer: SourceKeyer, where: str
) -> Identified | Trouble:
    """The patient of a list of prior numbers (HL7 v2.5.1 chapter 3, MRG-1): any of them tells who it is."""
    return _patient_of(numbers, settings, keyer, where, any_of_them=True)


def doubts(numbers: Sequence[PatientNumber], where: str) -> list[Trouble]:
    """What a person should look at; all other numbers are used."""
    found = [Trouble(each.warning, "the number is kept; look at it", where)
             for each in numbers if each.warning and not each.fault]  # fmt: skip
    return found + [
        Trouble(NUMBER_UNREADABLE, f"{each.fault}; the other numbers are used", where)
        for each in numbers
        if each.fault
    ]


def not_a_number(fault: str) -> str:
    """What is said of the only number where that cannot be a patient's."""
    return (
        f"it is no patient's number, but {fault}: correct it in the source, export numbers as text"
    )


def _patient_of(
    numbers: Sequence[PatientNumber],
    settings: IdentitySettings,
    keyer: SourceKeyer,
    where: str,
    *,
    any_of_them: bool,
) -> Identified | Trouble:
    if len(numbers) > MAX_IDENTIFIERS:
        return Trouble(PATIENT_UNREADABLE, "too many identifiers", where)
    if placeholders := settings.placeholders:
        numbers = [each for each in numbers if each.identifier.value not in placeholders]
    usable = [each for each in numbers if not each.fault]
    if not usable:
        return _no_number(numbers, where)
    chosen, rule = _chosen([each for each in usable if not each.is_old] or usable, settings)
    if chosen is None and any_of_them:
        chosen, rule = min((each.identifier for each in usable), key=keyer.key), "any of them"
    if chosen is None:
        detail = "several identifiers could be the patient's: name the assigner in the profile"
        return Trouble("patient-ambiguous", detail, where)
    return Identified(_patient(chosen, usable, keyer), where, rule)


def _no_number(given: Sequence[PatientNumber], where: str) -> Trouble:
    for each in given:
        if each.fault:
            return Trouble(PATIENT_UNREADABLE, not_a_number(each.fault), where)
    return Trouble("patient-missing", "no identifier says who it is about", where)


def _patient(
    chosen: PatientIdentifier, usable: Sequence[PatientNumber], keyer: SourceKeyer
) -> Patient:
    key = keyer.key(chosen)
    if len(usable) == 1:  # nearly always
        return Patient(key=key, identifiers=(usable[0].identifier,))
    distinct = tuple(dict.fromkeys(each.identifier for each in usable))
    others = sorted({keyer.key(each) for each in distinct} - {key})
    return Patient(key=key, identifiers=distinct, other_keys=tuple(others))


def _chosen(
    numbers: Sequence[PatientNumber], settings: IdentitySettings
) -> tuple[PatientIdentifier | None, str]:
    """The patient's number, or None where several could be; and by which setting."""
    if (only := _only(numbers)) is not None:
        return only, "there is no other number"
    if settings.national_first:
        for kind in NATIONAL:
            if of_kind := [each for each in numbers if each.identifier.kind is kind]:
                return _only(_primary(of_kind)), "profile.patient.national_first"
    numbers = _primary(numbers)
    if (only := _only(numbers)) is not None:
        return only, "there is no other number"
    for choice in settings.prefer:
        if matching := [each for each in numbers if _matches(each, choice)]:
            return _only(matching), "profile.patient.prefer"
    return None, ""


def _primary(numbers: Sequence[PatientNumber]) -> Sequence[PatientNumber]:
    """Those that are given for good and for the main purpose; all where none is."""
    return [each for each in numbers if not each.is_secondary] or numbers


def _gives_personnummer(names: Sequence[str], kinds: Mapping[str, IdentifierKind]) -> bool:
    """Whether the assigner is said to give numbers of ten or twelve digits."""
    return (_named(names, kinds) or _named(names, _SAID)) in _OF_TEN_OR_TWELVE_DIGITS


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


def _matches(each: PatientNumber, choice: IdentifierChoice) -> bool:
    of_type = choice.type is None or choice.type == each.type
    return of_type and (choice.assigner is None or choice.assigner in each.assigners)


def _only(numbers: Sequence[PatientNumber]) -> PatientIdentifier | None:
    """The identifier that all of these are, or None where they differ."""
    first = numbers[0].identifier
    if len(numbers) == 1:  # nearly always
        return first
    return first if all(_same(first, each.identifier) for each in numbers[1:]) else None


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    """Whether the patient's key would be the same: a national number is its own, whoever gave it."""
    assigned_alike = one.kind in NATIONAL or one.assigner == other.assigner
    return one.kind is other.kind and one.value == other.value and assigned_alike
