"""What one data row says: which patient, and the claims about the visit.

Pure. An empty cell says that there is none (cleared); an unreadable one is absent and a warning;
a column that the export does not have is absent. Without a readable patient nothing of the row
is used. Warnings never carry a cell's value, ward codes that are no patient's number excepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from adapters.common.identity import PATIENT_UNREADABLE, not_a_number
from adapters.common.keys import PatientKeyer
from adapters.common.numbers import LOST_ZEROS, fault_of, has_lost_zeros
from adapters.common.outcome import Trouble
from adapters.common.text import is_readable
from adapters.common.ward import WARD_UNKNOWN, unresolved
from adapters.elvis.format import ExportFormat
from adapters.elvis.parse import Export, Row
from adapters.elvis.times import TimeReader
from schemas.identifiers import IdentifierKind, classify
from schemas.observation import (
    MAY_BE_UNREAD,
    Claims,
    Location,
    Patient,
    PatientIdentifier,
    Protection,
    Unread,
)
from schemas.ward import Unresolved, WardRegister

MAX_CELL_CHARS: Final = 100
"""Longer names of rooms, beds and wards are none; it also bounds an observation's size."""

_TWELVE_DIGITS = re.compile(r"\d{8}-?\d{4}")


class Sheet(NamedTuple):
    """What is needed to read rows: the format, the register, the source's name, the secret.

    ``fingerprint`` differs when the same cells may be read otherwise.
    """

    form: ExportFormat
    register: WardRegister
    source: str
    keyer: PatientKeyer
    fingerprint: str


def make_sheet(
    form: ExportFormat, register: WardRegister, source: str, keyer: PatientKeyer
) -> Sheet:
    """A sheet with its fingerprint."""
    wards = [ward.model_dump_json() for _, ward in sorted(register.wards.items())]
    told = (form.model_dump_json(), source, str(register.is_open), *wards)
    return Sheet(form, register, source, keyer, keyer.hash("sheet", *told))


class RowClaims(NamedTuple):
    """What a row says, which claims it makes that could not be read, and why."""

    claims: Claims
    unread: tuple[Unread, ...]
    troubles: tuple[Trouble, ...]


class _UnreadableCellError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class RowReader:
    """Reads the rows of one export."""

    def __init__(self, sheet: Sheet, export: Export) -> None:
        self._sheet = sheet
        self._form = sheet.form
        self._numbers = sheet.keyer.of(sheet.source)
        self._width = export.width
        self._columns = export.columns
        self._names = sheet.form.columns.named()
        self._times = TimeReader(sheet.form.time_forms, sheet.form.zone)
        self._readers = [one for one in self._every_reader() if one[0] in export.columns]
        # An export repeats its ward codes: each is resolved once.
        self._resolved: dict[str, str | Unresolved] = {}

    def is_whole(self, row: Row) -> bool:
        """Whether the row has as many cells as there are column names."""
        return len(row.cells) == self._width

    def digest(self, row: Row) -> str:
        """Equal for rows that say the same, under the same format and register."""
        return self._sheet.keyer.hash(self._sheet.fingerprint, *row.cells)

    def statement(self, row: Row) -> str:
        """Of the cells as sent, whatever the format, the register, or the file that has them."""
        return self._sheet.keyer.hash("row", *row.cells)

    def is_vacant(self, row: Row) -> bool:
        """Whether the row is a place without a patient."""
        if not self.is_whole(row) or row.cells[self._columns["patient"]].strip():
            return False
        return bool(self._cell(row, "ward")) and not self._cell(row, "admitted_at")

    def ward_code(self, row: Row) -> str:
        """The ward code of the place, folded; empty for a patient without a place."""
        return self._cell(row, "ward").casefold()

    def patient(self, row: Row) -> Patient | Trouble:
        """Whom the row is about."""
        number = self._cell(row, "patient") if self.is_whole(row) else ""
        fault = self._fault(number)
        if fault is not None:
            detail = f"{fault}; while it stands there, no visit of this scope is ended by absence"
            return self._of_whole_row(row, PATIENT_UNREADABLE, detail)
        identifier = self._identifier(number)
        return Patient(key=self._numbers.key(identifier), identifiers=(identifier,))

    def _fault(self, number: str) -> str | None:
        """Why a cell holds no patient's number. Without other assigners all are national numbers."""
        if not number:
            return "no patient's number can be read: correct the row in the source"
        fault = fault_of(number)
        if fault is None and not self._form.local_assigner and has_lost_zeros(number):
            fault = LOST_ZEROS
        if fault is not None:
            return not_a_number(fault)
        if len(number) > MAX_CELL_CHARS or not is_readable(number):
            return "the patient's number is too long or has invisible characters: correct the row"
        return None

    def about_number(self, row: Row, identifier: PatientIdentifier) -> tuple[Trouble, ...]:
        """What is odd about a number that is used all the same."""
        warning = _number_warning(identifier)
        if warning is None:
            return ()
        detail = f"used as a number of kind {identifier.kind.value}; correct it in the source"
        return (self._trouble(row, "patient", warning, detail),)

    def twice(self, row: Row) -> Trouble:
        """What to say of a patient's second row in one file."""
        detail = (
            "another row speaks of the same patient: neither is used; let one stand in the source"
        )
        return self._of_whole_row(row, "patient-twice", detail)

    def claims(self, row: Row) -> RowClaims:
        """What the row says about the visit, and what of it could not be read."""
        said: dict[str, Any] = {}
        troubles: list[Trouble] = []
        for field, claim, read in self._readers:
            try:
                said[claim] = read(row, field)
            except _UnreadableCellError as unreadable:
                trouble = self._trouble(row, field, unreadable.reason, unreadable.detail)
                troubles.append(replace(trouble, mark_unread=claim == "mark"))
        asked = {claim for _, claim, _ in self._readers}
        unread = tuple(name for name in MAY_BE_UNREAD if name in asked and name not in said)
        return RowClaims(Claims(**said), unread, tuple(troubles))

    def _every_reader(self) -> tuple[tuple[str, str, Callable[[Row, str], object]], ...]:
        return (
            ("ward", "place", self._place),
            ("responsible_ward", "responsible_ward", self._ward),
            ("mark", "mark", self._mark),
            ("expected_at", "expected_at", self._time),
            ("planned_discharge_at", "planned_discharge_at", self._time),
            ("leave", "on_leave", self._leave),
            ("admitted_at", "visit_class", self._visit_class),
            ("protection", "protection", self._protection),
        )

    # -- one field each: the value, None where the cell is empty, or _UnreadableCellError --------------

    def _place(self, row: Row, field: str) -> Location | None:
        ward = self._ward(row, field)
        if ward is None:
            return None
        room, bed = self._cell(row, "room"), self._cell(row, "bed")
        if max(len(room), len(bed)) > MAX_CELL_CHARS:
            raise _UnreadableCellError(
                "cell-too-long", f"a room or bed has over {MAX_CELL_CHARS} letters"
            )
        return Location(ward=ward, room=room or None, bed=bed or None)

    def _mark(self, row: Row, field: str) -> Location | None:
        ward = self._ward(row, field)
        return None if ward is None else Location(ward=ward)

    def _ward(self, row: Row, field: str) -> str | None:
        code = self._cell(row, field)
        if not code:
            return None
        if code not in self._resolved:
            self._resolved[code] = self._sheet.register.resolve(self._sheet.source, code)
        ward = self._resolved[code]
        if ward is Unresolved.UNKNOWN or len(code) > MAX_CELL_CHARS:
            raise _UnreadableCellError(
                WARD_UNKNOWN, f"{_shown(code)} is no ward of the register: add it as an alias"
            )
        if isinstance(ward, Unresolved):
            trouble = unresolved(ward, "")
            raise _UnreadableCellError(trouble.reason, f"{_shown(code)}: {trouble.detail}")
        return ward

    def _time(self, row: Row, field: str) -> object:
        text = self._cell(row, field)
        moment = self._times.read(text) if text else None
        if text and moment is None:
            raise _UnreadableCellError(
                "time-unreadable", "the time has none of the feed's time_forms, or does not exist"
            )
        return moment

    def _leave(self, row: Row, field: str) -> bool:
        code = self._cell(row, field).casefold()
        if code not in self._form.leave_codes:
            raise _UnreadableCellError(
                "code-unknown", "the code is not in the feed's leave_codes: add it"
            )
        return self._form.leave_codes[code]

    def _visit_class(self, row: Row, field: str) -> str:
        admitted = self._time(row, field)
        return self._form.class_admitted if admitted else self._form.class_not_admitted

    def _protection(self, row: Row, field: str) -> Protection:
        # A code nobody configured is still a mark: the patient counts as protected.
        code = self._cell(row, field).casefold()
        return self._form.protection_codes.get(code, Protection.UNKNOWN)

    # -- cells --------------------------------------------------------------------------------

    def _cell(self, row: Row, field: str) -> str:
        column = self._columns.get(field)
        return "" if column is None else row.cells[column].strip()

    def _of_whole_row(self, row: Row, reason: str, detail: str) -> Trouble:
        """Of a row that is not used; whether it has a mark is told of a whole one only."""
        may_mark = not self.is_whole(row) or bool(self._cell(row, "mark"))
        trouble = self._trouble(row, "patient", reason, detail)
        return replace(trouble, withholds=True, mark_unread=may_mark)

    def _trouble(self, row: Row, field: str, reason: str, detail: str) -> Trouble:
        name = self._names[field]
        where = f"line {row.line}, column {name}"
        return Trouble(reason, detail, where, statement=self.statement(row), within=name)

    def _identifier(self, number: str) -> PatientIdentifier:
        kind, value, _ = classify(number)
        if kind in (IdentifierKind.LOCAL, IdentifierKind.UNCERTAIN):
            assigner = self._form.local_assigner or None
            return PatientIdentifier(kind=kind, value=value, assigner=assigner)
        return PatientIdentifier(kind=kind, value=value)


def _number_warning(identifier: PatientIdentifier) -> str | None:
    match identifier.kind:
        case IdentifierKind.UNCERTAIN | IdentifierKind.VGR_RESERVE:
            return classify(identifier.value).warning
        case IdentifierKind.LOCAL if _TWELVE_DIGITS.fullmatch(identifier.value):
            return "check-digit-wrong"
        case _:
            return None


def _shown(code: str) -> str:
    is_code = classify(code).kind is IdentifierKind.LOCAL and not re.search(r"\d{6}", code)
    return f"code {code!r}" if is_code and len(code) <= MAX_CELL_CHARS else "the code"
