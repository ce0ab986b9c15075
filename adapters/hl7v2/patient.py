"""Who a message is about: the repetitions of PID-3 (or MRG-1).

Source: HL7 v2.5.1 chapter 2A, CX: number ^ check digit ^ scheme ^ assigner (HD) ^ type. Which of
the numbers is the patient's: ``adapters.common.identity``.
"""

from __future__ import annotations

from typing import Final

from adapters.common.identity import (
    Identified,
    IdentitySettings,
    Number,
    doubts,
    number,
    patient_of,
)
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble
from adapters.hl7v2.case import doubt_of
from adapters.hl7v2.reader import NULL, Segment

_ASSIGNER, _TYPE = 4, 5
_UNREADABLE: Final = "patient-unreadable"


class PatientReader:
    """Reads patients of one feed."""

    def __init__(self, settings: IdentitySettings, keyer: PatientKeyer) -> None:
        self._settings = settings
        self._keyer = keyer

    def read(
        self, segment: Segment, field: int, where: str
    ) -> tuple[Identified | Trouble, list[Trouble]]:
        """The patient, or why there is none; and what is doubtful about the numbers."""
        read = (self._number(segment, each) for each in segment.repetitions(field))
        numbers = [each for each in read if each is not None]
        for each in numbers:
            if doubt := _doubt_of(each, where):
                return doubt, []
        return patient_of(numbers, self._settings, self._keyer, where), doubts(numbers, where)

    def _number(self, segment: Segment, repetition: str) -> Number | None:
        components = segment.components(repetition)
        value = segment.subcomponents(components[0])[0]
        if value in {"", NULL}:
            return None
        type_code = (
            segment.subcomponents(components[_TYPE - 1])[0] if len(components) >= _TYPE else ""
        )
        return number(value, _assigners(segment, components), type_code, self._settings.kinds)


def _assigners(segment: Segment, components: list[str]) -> tuple[str, ...]:
    """The universal id, which nobody else has, before the namespace id."""
    if len(components) < _ASSIGNER or not components[_ASSIGNER - 1]:
        return ()
    namespace, *universal = segment.subcomponents(components[_ASSIGNER - 1])
    return (*universal[:1], namespace.strip('"'))


def _doubt_of(each: Number, where: str) -> Trouble | None:
    """Why a number must not leave this adapter, if so."""
    number, assigner = each.identifier.value, each.identifier.assigner or ""
    return doubt_of(number, where, _UNREADABLE) or doubt_of(assigner, where, _UNREADABLE)
