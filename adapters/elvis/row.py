"""Reads one data row: patient, visit and claims.

Pure and total. An empty cell says that there is none (cleared); an unreadable one is absent and a warning;
a column that the export does not have is absent. A row with another number of cells than there are columns
says nothing: which cell is which cannot be known. Without a readable patient (and visit, where a column has
its number) nothing of the row is used. Warnings never carry a cell's value, ward codes excepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from adapters.common.identity import PATIENT_UNREADABLE
from adapters.common.keys import PatientKeyer
from adapters.common.outcome import Trouble
from adapters.common.revision import fingerprint
from adapters.common.text import cleaned
from adapters.common.visits import visit_id
from adapters.elvis import cells
from adapters.elvis.cells import MAX_CELL_CHARS, Fault
from adapters.elvis.format import ExportFormat
from adapters.elvis.parse import Export
from adapters.elvis.rows import CSV_UNREADABLE, ExportRow
from adapters.elvis.times import ExportTimeReader
from schemas.observation import (
    MAY_BE_UNREAD,
    OF_THE_MARK,
    Claims,
    Location,
    Patient,
    PatientIdentifier,
    Unread,
)
from schemas.ward import WardRegister

WRONG_NUMBER_OF_CELLS: Final = "wrong-number-of-cells"
VISIT_UNREADABLE: Final = "visit-unreadable"
BLANKS: Final = " \t\r\n\xa0"
"""Around a cell. Python strips control characters too: those make an identifier unreadable."""

MISSHAPEN: Final = frozenset({WRONG_NUMBER_OF_CELLS, CSV_UNREADABLE})
"""Reasons of rows whose cells cannot be told apart."""

RULES: Final = 1
"""Raise it when rows are read otherwise, with the number of the feed's kind."""

_ENDS_NOBODY: Final = "while it stands there, no visit of this scope is ended by absence"


class Sheet(NamedTuple):
    """What is needed to read rows: the format, the register, the source's name, the secret.

    ``fingerprint`` differs where the same cells may be read otherwise, and only then: as the number of the
    feed's reading does, by the same rule (:mod:`adapters.common.revision`).
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
    read_by = fingerprint("sheet", RULES, form, register, source)
    return Sheet(form, register, source, keyer, keyer.hash("sheet", read_by))


class RowSubject(NamedTuple):
    """Whom a row is about. ``visit``: by a column of its own; None: nobody numbers visits.

    ``key``: what tells this visit from all others that are open.
    """

    key: str
    patient: Patient
    visit: str | None = None


class RowClaims(NamedTuple):
    """What a row says, which claims it makes that could not be read, and why."""

    claims: Claims
    unread: tuple[Unread, ...]
    troubles: tuple[Trouble, ...]


Faults = list[tuple[str, Fault]]
"""Faults of a row's cells while they are gathered, each with the field that it is of."""


class RowReader:
    """Reads the rows of one export."""

    def __init__(self, sheet: Sheet, export: Export) -> None:
        self._sheet = sheet
        self._form = sheet.form
        self._numbers = sheet.keyer.of(sheet.source)
        self._width = export.width
        self._unnamed = export.unnamed
        self._columns = export.columns
        self._ward = export.columns["ward"]
        self._times = ExportTimeReader(sheet.form.time_forms, sheet.form.zone)
        readers = self._every_reader()
        self._readers = [one for one in readers if one[0] in export.columns]
        self._asked = {claim for name, claim, _ in readers if name in export.columns}
        # An export repeats its ward codes: each is resolved once.
        self._resolved: dict[tuple[str, str], str | Fault] = {}

    def is_whole(self, row: ExportRow) -> bool:
        """Whether the row has as many cells as there are columns, and nothing behind those with a name."""
        if row.is_broken or len(row.cells) != self._width:
            return False
        return not (self._unnamed and any(map(str.strip, row.cells[-self._unnamed :])))

    def statement(self, row: ExportRow) -> str:
        """Of the cells as sent, whatever the format, the register, or the file that has them."""
        return self._sheet.keyer.hash("row", *row.cells)

    def is_vacant(self, row: ExportRow) -> bool:
        """Whether the row is a place without a patient: one whose number is missing is not."""
        if not self.is_whole(row) or not self._cell(row, "ward"):
            return False
        return not any(
            self._cell(row, name) for name in ("patient", "visit", "admitted_at", "mark")
        )

    def ward_code(self, row: ExportRow) -> str:
        """The ward code of the place, folded and cut; empty for a patient without a place."""
        if row.is_broken or len(row.cells) <= self._ward:
            return ""
        return cleaned(row.cells[self._ward].strip(BLANKS))[:MAX_CELL_CHARS].casefold()

    def who(self, row: ExportRow) -> RowSubject | Trouble:
        """Whom the row is about, or why it is not used."""
        if not self.is_whole(row):
            return self._misshapen(row)
        patient = self.patient(row)
        if isinstance(patient, Trouble):
            return patient
        return (
            self._visit_of(row, patient)
            if "visit" in self._columns
            else RowSubject(patient.key, patient)
        )

    def patient(self, row: ExportRow) -> Patient | Trouble:
        """Whose number a whole row has, or why it is none."""
        number = self._cell(row, "patient")
        fault = cells.number_fault(number, is_national=not self._form.local_assigner)
        if fault is not None:
            return self._unused(row, "patient", PATIENT_UNREADABLE, f"{fault}; {_ENDS_NOBODY}")
        identifier = cells.identifier(number, self._form.local_assigner)
        return Patient(key=self._numbers.key(identifier), identifiers=(identifier,))

    def _visit_of(self, row: ExportRow, patient: Patient) -> RowSubject | Trouble:
        number = self._cell(row, "visit")
        assigner = self._cell(row, "visit_assigner") or self._form.visit_assigner
        fault = cells.visit_fault(number, assigner)
        if fault is not None:
            return self._unused(row, "visit", VISIT_UNREADABLE, f"{fault}; {_ENDS_NOBODY}")
        visit = visit_id(number, assigner)
        return RowSubject(self._sheet.keyer.hash("visit number", visit), patient, visit)

    def about_number(self, row: ExportRow, identifier: PatientIdentifier) -> tuple[Trouble, ...]:
        """What is odd about a number that is used all the same."""
        odd = cells.number_oddity(identifier)
        return (self._trouble(row, "patient", odd),) if odd else ()

    def twice(self, row: ExportRow) -> Trouble:
        """What to say of a second row of one patient, or of one visit, in one file."""
        return self._unused(
            row,
            "visit" if "visit" in self._columns else "patient",
            "patient-twice",
            "another row speaks of the same patient, or of one whose number reads alike: neither is used; "
            f"let one stand in the source; {_ENDS_NOBODY}",
        )

    def claims(self, row: ExportRow) -> RowClaims:
        """What the row says about the visit, and what of it could not be read."""
        said: dict[str, Any] = {}
        faults: Faults = []
        for name, claim, read in self._readers:
            value = read(row, name, faults)
            if isinstance(value, Fault):
                faults.append((name, value))
            else:
                said[claim] = value
        troubles = tuple(
            replace(self._trouble(row, name, fault), mark_unread=name == "mark")
            for name, fault in faults
        )
        unread = tuple(name for name in MAY_BE_UNREAD if name in self._asked and name not in said)
        if "mark" in unread:
            said = {claim: value for claim, value in said.items() if claim not in OF_THE_MARK}
        return RowClaims(Claims(**said), unread, troubles)

    def _every_reader(
        self,
    ) -> tuple[tuple[str, str, Callable[[ExportRow, str, Faults], object]], ...]:
        return (
            ("ward", "place", self._place),
            ("responsible_ward", "responsible_ward", self._ward_id),
            ("mark", "mark", self._mark),
            ("expected_at", "expected_at", self._time),
            ("planned_discharge_at", "planned_discharge_at", self._time),
            ("leave", "on_leave", self._leave),
            ("admitted_at", "visit_class", self._visit_class),
            ("protection", "protection", self._protection),
        )

    # -- one field each: the value, None where the cell is empty, or a fault ------------------------

    def _place(self, row: ExportRow, name: str, faults: Faults) -> Location | Fault | None:
        ward = self._ward_id(row, name, faults)
        if ward is None or isinstance(ward, Fault):
            return ward
        room, bed = (self._text(row, one, faults) for one in ("room", "bed"))
        return Location(ward=ward, room=room, bed=bed)

    def _text(self, row: ExportRow, name: str, faults: Faults) -> str | None:
        """One cell costs its own field: without a readable room the patient still lies on the ward."""
        text = cells.free_text(self._cell(row, name))
        fault = text if isinstance(text, Fault) else text.oddity
        if fault is not None:
            faults.append((name, fault))
        return None if isinstance(text, Fault) else text.value or None

    def _mark(self, row: ExportRow, name: str, faults: Faults) -> Location | Fault | None:
        ward = self._ward_id(row, name, faults)
        return Location(ward=ward) if isinstance(ward, str) else ward

    def _ward_id(self, row: ExportRow, name: str, _faults: Faults) -> str | Fault | None:
        code, facility = self._cell(row, name), self._cell(row, _FACILITIES[name])
        if not code:
            return None
        if (code, facility) not in self._resolved:
            source, register = self._sheet.source, self._sheet.register
            self._resolved[code, facility] = cells.ward(code, facility, source, register)
        return self._resolved[code, facility]

    def _time(self, row: ExportRow, name: str, _faults: Faults) -> datetime | Fault | None:
        text = self._cell(row, name)
        return cells.time(text, self._times) if text else None

    def _leave(self, row: ExportRow, name: str, _faults: Faults) -> bool | Fault:
        return cells.code(self._cell(row, name), self._form.leave_codes, "leave_codes")

    def _visit_class(self, row: ExportRow, name: str, faults: Faults) -> str | Fault:
        admitted = self._time(row, name, faults)
        if isinstance(admitted, Fault):
            return admitted
        return self._form.class_admitted if admitted else self._form.class_not_admitted

    def _protection(self, row: ExportRow, name: str, _faults: Faults) -> object:
        return cells.protection(self._cell(row, name), self._form.protection_codes)

    # -- rows that are not used ---------------------------------------------------------------------

    def _misshapen(self, row: ExportRow) -> Trouble:
        reason, detail = (
            WRONG_NUMBER_OF_CELLS,
            (
                f"the row has {len(row.cells)} cells, the header {self._width - self._unnamed}: export it "
                f"again, or quote cells that hold the delimiter; {_ENDS_NOBODY}"
            ),
        )
        if row.is_broken:
            reason, detail = (
                CSV_UNREADABLE,
                (
                    "a quote stands in the row where none may: write it twice, in a quoted cell; "
                    f"{_ENDS_NOBODY}"
                ),
            )
        return Trouble(
            reason,
            detail,
            f"line {row.line}",
            withholds=True,
            mark_unread=True,
            statement=self.statement(row),
            within="",
        )

    def _unused(self, row: ExportRow, name: str, reason: str, detail: str) -> Trouble:
        trouble = self._trouble(row, name, Fault(reason, detail))
        return replace(trouble, withholds=True, mark_unread=bool(self._cell(row, "mark")))

    def _trouble(self, row: ExportRow, name: str, fault: Fault) -> Trouble:
        column = str(getattr(self._form.columns, name))
        return Trouble(
            fault.reason,
            fault.detail,
            f"line {row.line}, column {column}",
            statement=self.statement(row),
            within=column,
        )

    def _cell(self, row: ExportRow, name: str) -> str:
        column = self._columns.get(name)
        return "" if column is None else row.cells[column].strip(BLANKS)


_FACILITIES: Final = {
    "ward": "facility",
    "responsible_ward": "responsible_facility",
    "mark": "mark_facility",
}
