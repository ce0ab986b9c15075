"""Who a message is about: the repetitions of PID-3 (or MRG-1), and the one that is the patient.

Source: HL7 v2.5.1 chapter 2A, CX: number ^ check digit ^ scheme ^ assigner (HD) ^ type. The
number's own form says what it is (``schemas.identifiers``) unless the assigner's OID or the feed's
profile does. Which number the patient's key is made from is never a matter of position: national
numbers first, then the profile's list; where two could be meant, a person must look.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble
from adapters.hl7v2.case import TOO_LONG
from adapters.hl7v2.profile import IdentifierChoice, PatientSettings
from adapters.hl7v2.reader import MAX_TEXT_CHARS, NULL, Segment
from schemas.identifiers import OIDS, IdentifierKind, classify
from schemas.observation import Patient, PatientIdentifier

MAX_IDENTIFIERS: Final = 50
"""More would let the observation outgrow the message it comes from; real ones have a handful."""

NATIONAL: Final = (
    IdentifierKind.PERSONNUMMER,
    IdentifierKind.SAMORDNINGSNUMMER,
    IdentifierKind.NATIONAL_RESERVE,
    IdentifierKind.VGR_RESERVE,
)
"""Best first: a reserve number may stay beside the personnummer that replaced it."""

_ASSIGNER, _TYPE = 4, 5


class _Number(NamedTuple):
    identifier: PatientIdentifier
    namespace: str
    type: str
    warning: str | None

    @property
    def is_too_long(self) -> bool:
        """Whether it would not be let out of this adapter."""
        longest = max(len(self.identifier.value), len(self.identifier.assigner or ""))
        return longest > MAX_TEXT_CHARS


class PatientReader:
    """Reads patients of one feed."""

    def __init__(self, settings: PatientSettings, keyer: PatientKeyer) -> None:
        self._settings = settings
        self._keyer = keyer

    def read(
        self, segment: Segment, field: int, where: str
    ) -> tuple[Patient | Trouble, list[Trouble]]:
        """The patient, or why there is none; and what is doubtful about the numbers."""
        repetitions = segment.repetitions(field)
        if len(repetitions) > MAX_IDENTIFIERS:
            return Trouble("patient-unreadable", "too many identifiers", where), []
        numbers = [n for n in (self._number(segment, cx) for cx in repetitions) if n]
        doubts = [
            Trouble(n.warning, "the number is kept; look at it", where)
            for n in numbers
            if n.warning
        ]
        if any(n.is_too_long for n in numbers):
            return Trouble("patient-unreadable", TOO_LONG[1], where), []
        if not numbers:
            return Trouble("patient-missing", "no identifier says who it is about", where), doubts
        chosen = self._choose(numbers)
        if chosen is None:
            detail = "several identifiers could be the patient's: name the assigner in the profile"
            return Trouble("patient-ambiguous", detail, where), doubts
        identifiers = tuple(dict.fromkeys(number.identifier for number in numbers))
        return Patient(key=self._keyer.key(chosen), identifiers=identifiers), doubts

    def _number(self, segment: Segment, repetition: str) -> _Number | None:
        components = segment.components(repetition)
        value = segment.subcomponents(components[0])[0]
        if value in {"", NULL}:
            return None
        namespace, universal = _assigner(segment, components)
        type_code = (
            segment.subcomponents(components[_TYPE - 1])[0] if len(components) >= _TYPE else ""
        )
        kind, value, warning = self._classified(value, namespace, universal)
        identifier = PatientIdentifier(
            kind=kind, value=value, assigner=universal or namespace or None
        )
        return _Number(identifier, namespace, type_code, warning)

    def _classified(
        self, value: str, namespace: str, universal: str
    ) -> tuple[IdentifierKind, str, str | None]:
        configured = self._settings.kinds.get(universal) or self._settings.kinds.get(namespace)
        if configured is not None:
            return configured, value, None
        found = classify(value)
        said = OIDS.get(universal)
        if said is not None and found.kind is not said:
            return _doubtful(found.kind, found.value, found.warning)
        if said is None and found.kind is IdentifierKind.UNCERTAIN and (namespace or universal):
            return IdentifierKind.LOCAL, value, None
        return found.kind, found.value, found.warning

    def _choose(self, numbers: list[_Number]) -> PatientIdentifier | None:
        if len(numbers) == 1:
            return numbers[0].identifier
        if self._settings.national_first:
            for kind in NATIONAL:
                if of_kind := [n for n in numbers if n.identifier.kind is kind]:
                    return _only(of_kind)
        for choice in self._settings.prefer:
            if matching := [n for n in numbers if _matches(n, choice)]:
                return _only(matching)
        return _only(numbers)


def _doubtful(
    kind: IdentifierKind, value: str, warning: str | None
) -> tuple[IdentifierKind, str, str | None]:
    """A number whose form is not what its assigner's OID says."""
    if kind is IdentifierKind.LOCAL:
        return kind, value, "identifier-not-of-its-kind"
    return kind, value, warning or "identifier-of-another-kind"


def _assigner(segment: Segment, components: list[str]) -> tuple[str, str]:
    if len(components) < _ASSIGNER or not components[_ASSIGNER - 1]:
        return "", ""
    parts = segment.subcomponents(components[_ASSIGNER - 1])
    return parts[0].strip('"'), parts[1] if len(parts) > 1 else ""


def _matches(number: _Number, choice: IdentifierChoice) -> bool:
    of_type = choice.type is None or choice.type == number.type
    assigners = {None, number.namespace, number.identifier.assigner}
    return of_type and choice.assigner in assigners


def _only(numbers: list[_Number]) -> PatientIdentifier | None:
    """The identifier that all of these are, or None where they differ."""
    first = numbers[0].identifier
    if all(_same(first, number.identifier) for number in numbers[1:]):
        return first
    return None


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    national = one.kind in NATIONAL
    return one.value == other.value and (national or one.assigner == other.assigner)
