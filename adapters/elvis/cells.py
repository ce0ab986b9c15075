"""Parses one cell of an export to a value or a reason; one function for each kind of value.

Total: whatever stands in a cell, nothing raises. A reason never carries the cell's text, ward codes that are
no patient's number excepted. An empty cell is asked nothing: it says that there is no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from adapters.common.identity import not_a_number
from adapters.common.numbers import LOST_ZEROS, fault_of, has_lost_zeros
from adapters.common.text import TEXT_CLEANED, TEXT_UNREADABLE, cleaned, is_readable
from adapters.common.ward import WARD_UNKNOWN, FacilityAdvice, unresolved
from adapters.elvis.times import ExportTimeReader
from schemas.identifiers import IdentifierKind, classify
from schemas.observation import PatientIdentifier, Protection
from schemas.ward import Unresolved, WardRegister

MAX_CELL_CHARS: Final = 100
"""Longer names of rooms, beds and wards are none; it also bounds an observation's size."""

_TWELVE_DIGITS = re.compile(r"\d{8}-?\d{4}")
Meaning = TypeVar("Meaning")


class Fault(NamedTuple):
    """Why a cell has no value, or what is odd about the one it has: a stable code, and what to do."""

    reason: str
    detail: str


class Text(NamedTuple):
    """A free text, without what must not be let out."""

    value: str
    oddity: Fault | None = None


def time(text: str, times: ExportTimeReader) -> datetime | Fault:
    """A moment."""
    moment = times.read(text)
    return moment or Fault(
        "time-unreadable", "the time has none of the feed's time_forms, or does not exist"
    )


def code(text: str, codes: Mapping[str, Meaning], setting: str) -> Meaning | Fault:
    """What a code means by a table of the configuration; an empty cell may be a code too."""
    meaning = codes.get(text.casefold())
    if meaning is None:
        return Fault("code-unknown", f"the code is not in the feed's {setting}: add it")
    return meaning


def protection(text: str, codes: Mapping[str, Protection]) -> Protection:
    """A protection mark. A code that nobody configured is still a mark: it counts as protected."""
    return codes.get(text.casefold(), Protection.UNKNOWN)


def free_text(text: str) -> Text | Fault:
    """The name of a room or a place."""
    if len(text) > MAX_CELL_CHARS:
        return Fault("cell-too-long", f"a room or bed has over {MAX_CELL_CHARS} letters")
    value = cleaned(text)
    odd = Fault(TEXT_CLEANED, "control characters were removed from a text")
    return Text(value, None if value == text else odd)


_BY_COLUMNS: Final = FacilityAdvice(
    "have the export tell it in a column, and name that in the format's `columns` (`facility` of the place, "
    "`mark_facility`, `responsible_facility`)",
    "take its column out of the format's `columns`",
)


def ward(code: str, facility: str, source: str, register: WardRegister) -> str | Fault:
    """A ward's id, by its code and, where a column says so, its facility."""
    for text in (code, facility):
        if not is_readable(text):
            return Fault(
                TEXT_UNREADABLE,
                "a control or invisible character stands in a code: correct it in the source",
            )
    if max(len(code), len(facility)) > MAX_CELL_CHARS:
        return Fault(WARD_UNKNOWN, "the code is no ward of the register: add it as an alias")
    found = register.resolve(source, code, (facility,) if facility else ())
    if found is Unresolved.UNKNOWN:
        return Fault(WARD_UNKNOWN, f"{_shown(code)} is no ward of the register: add it as an alias")
    if isinstance(found, Unresolved):
        trouble = unresolved(found, "", _BY_COLUMNS)
        return Fault(trouble.reason, f"{_shown(code)}: {trouble.detail}")
    return found


def _shown(code: str) -> str:
    is_code = classify(code).kind is IdentifierKind.LOCAL and not re.search(r"\d{6}", code)
    return f"code {code!r}" if is_code else "the code"


# -- numbers -------------------------------------------------------------------------------------


def number_fault(number: str, *, is_national: bool) -> str | None:
    """Why a text is no patient's number; without other assigners all are national numbers."""
    if not number:
        return "no patient's number can be read: correct the row in the source"
    if len(number) > MAX_CELL_CHARS or not is_readable(number):
        return "the patient's number is too long or has invisible characters: correct the row"
    fault = fault_of(number)
    if fault is None and is_national and has_lost_zeros(number):
        fault = LOST_ZEROS
    return not_a_number(fault) if fault else None


def identifier(number: str, local_assigner: str) -> PatientIdentifier:
    """A number that has no fault, by its form."""
    kind, value, _ = classify(number)
    if kind in (IdentifierKind.LOCAL, IdentifierKind.UNCERTAIN):
        return PatientIdentifier(kind=kind, value=value, assigner=local_assigner or None)
    return PatientIdentifier(kind=kind, value=value)


def number_oddity(found: PatientIdentifier) -> Fault | None:
    """What is odd about a number that is used all the same."""
    reason = None
    if found.kind in (IdentifierKind.UNCERTAIN, IdentifierKind.VGR_RESERVE):
        reason = classify(found.value).warning
    elif found.kind is IdentifierKind.LOCAL and _TWELVE_DIGITS.fullmatch(found.value):
        reason = "check-digit-wrong"
    if reason is None:
        return None
    return Fault(reason, f"used as a number of kind {found.kind.value}; correct it in the source")


def visit_fault(number: str, assigner: str) -> str | None:
    """Why a text is no visit's number."""
    if not number:
        return "the row has no visit's number: correct it in the source"
    for text in (number, assigner):
        if len(text) > MAX_CELL_CHARS or not is_readable(text):
            return "the visit's number is too long or has invisible characters: correct the row"
    fault = fault_of(number)
    return f"the visit's number is {fault}: export the column as text" if fault else None
