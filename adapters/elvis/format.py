"""The reference export format, as configuration: columns, code tables, charset, date forms.

A file is semicolon separated text in this order: header rows (``key;value``: export time,
hospital, wards covered, in any order), one row of column names, the data rows, one trailer row
(``key;number of data rows``). One data row for each place, occupied or not, and one for each
patient without a place. Header rows, column names and trailer may be missing, where the configuration says
so. See ``docs/elvis-export.md`` for what is assumed and why.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictInt, field_validator, model_validator

from adapters.common.settings import Section, ZoneName
from adapters.elvis.nametimes import NameTime
from adapters.elvis.times import is_time_form
from schemas.observation import Protection

HEADER: Final = "header"
MTIME: Final = "mtime"

Column = Annotated[StrictInt, Field(ge=1)] | str
"""A column's name, or its position from 1 where there is no row of names."""


class Columns(Section):
    """The column of each field, by its name. An empty name: the export does not have the field.

    Where there is no row of names (``header = false``) by its position, from 1; what is left out is not
    there then.
    """

    ward: Column = Field("Avdelning", description="ward of the place; empty: no place")
    facility: Column = Field("", description="whose ward that is, where hospitals share codes")
    room: Column = Field("Rum", description="room of the place")
    bed: Column = Field("Plats", description="the place within the room")
    patient: Column = Field("Patient-id", description="patient's number; empty: vacant")
    visit: Column = Field(
        "",
        description="the visit's number; without the column a visit is a patient from the first export "
        "that lists them to the end",
    )
    visit_assigner: Column = Field("", description="who gave the visit's number")
    responsible_ward: Column = Field("Medicinskt ansvarig enhet", description="responsible ward")
    responsible_facility: Column = Field("", description="whose ward that is")
    admitted_at: Column = Field("Inskriven", description="when admitted; empty: not admitted yet")
    planned_discharge_at: Column = Field("Planerad utskrivning", description="planned discharge")
    mark: Column = Field("Avsedd avdelning", description="the ward the patient is marked for")
    mark_facility: Column = Field("", description="whose ward that is")
    expected_at: Column = Field("Förväntad tid", description="when expected at the marked ward")
    leave: Column = Field("Permission", description="whether the patient is on leave")
    overbedding: Column = Field("Överbeläggning", description="whether the place is an overbedding")
    protection: Column = Field("Sekretess", description="the patient's protection mark")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for known in (self.named(), self.placed()):
            given: list[Column] = list(known.values())
            twice = sorted({str(one) for one in given if given.count(one) > 1})
            if twice:
                raise ValueError(f"columns {twice} stand for two fields each: give each its own")
        return self

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for part, whole in (
            ("facility", "ward"),
            ("visit_assigner", "visit"),
            ("responsible_facility", "responsible_ward"),
            ("mark_facility", "mark"),
        ):
            if getattr(self, part) and not getattr(self, whole):
                raise ValueError(f"{part} says whose {whole} is, and there is no column {whole}")
        return self

    def named(self) -> dict[str, str]:
        """Field to column name, for the fields that the export has by name."""
        return {name: column for name, column in self if isinstance(column, str) and column}

    def placed(self) -> dict[str, int]:
        """Field to position from 1, for the fields that the export has by position."""
        return {name: column for name, column in self if isinstance(column, int)}


class Markers(Section):
    """The first cell of the header rows and of the trailer row."""

    exported_at: str = Field("Exporttid", min_length=1, description="row with the export time")
    hospital: str = Field("Sjukhus", min_length=1, description="row with the hospital")
    wards: str = Field("Avdelningar", min_length=1, description="row with the wards covered")
    count: str = Field("Antal rader", min_length=1, description="trailer with the number of rows")

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        given = [text.strip() for _, text in self]
        if not all(given) or len(set(given)) < len(given):
            raise ValueError("each marker is another text, and none is blank")
        return self


YES_OR_NO = {"": False, "nej": False, "n": False, "0": False, "ja": True, "j": True, "1": True}
PROTECTION_CODES = {
    "": Protection.NONE,
    "nej": Protection.NONE,
    "n": Protection.NONE,
    "0": Protection.NONE,
    "sekretessmarkering": Protection.CONFIDENTIAL,
    "skyddad folkbokföring": Protection.PROTECTED,
}


class ExportFormat(Section):
    """How to read an export. Codes compare without case and surrounding blanks."""

    charset: str = Field("windows-1252", description="the files' charset; decoded strictly")
    delimiter: str = Field(";", min_length=1, max_length=1, description="between two cells")
    ward_delimiter: str = Field(",", min_length=1, max_length=1, description="in the wards row")
    header: bool | Literal["names"] = Field(
        default=True,
        description="what stands before the data: header rows and column names (true), column names only "
        "(`names`), or nothing (false; then `columns` gives positions)",
    )
    trailer: bool = Field(
        default=True,
        description="whether a row with the number of rows ends a file; without it a file is taken for "
        "complete `incomplete_s` after its last change, or by its marker",
    )
    exported_at: str = Field(
        HEADER,
        min_length=1,
        description="when an export was made: by its header rows (`header`), by the file's own time "
        "(`mtime`), or by its name: a pattern as `elvis_*_%Y%m%d_%H%M.csv`",
    )
    markers: Markers = Field(Markers(), description="first cells of header and trailer rows")
    columns: Columns = Field(Columns(), description="column of each field")
    ignored_columns: tuple[Column, ...] = Field(
        (), description="columns (names, or positions) that may stand there unread"
    )
    time_forms: tuple[str, ...] = Field(
        ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%z"),
        min_length=1,
        description="forms of times (strptime), tried in order",
    )
    zone: ZoneName = Field("Europe/Stockholm", description="zone of times without an offset")
    leave_codes: Mapping[str, bool] = Field(YES_OR_NO, description="code to on leave or not")
    overbedding_codes: Mapping[str, bool] = Field(YES_OR_NO, description="code to yes or no")
    protection_codes: Mapping[str, Protection] = Field(
        PROTECTION_CODES, description="code to mark; any other code counts as a mark, unknown"
    )
    local_assigner: str = Field(
        "",
        description="who gives patient numbers of no national kind; empty: they are the source's "
        "own, and one that may be a personnummer without its leading zeros is refused",
    )
    visit_assigner: str = Field(
        "",
        description="who gives the visit numbers that come without an assigner; empty: nobody said",
    )
    class_admitted: str = Field("I", description="visit class (HL7 table 0004) once admitted")
    class_not_admitted: str = Field("P", description="visit class before admission")

    @property
    def has_header_rows(self) -> bool:
        """Whether the file itself says its hospital and wards."""
        return self.header is True

    @property
    def name_time(self) -> NameTime | None:
        """The pattern of names that tell when an export was made, if they do."""
        return None if self.exported_at in {HEADER, MTIME} else NameTime(self.exported_at)

    def positions(self) -> dict[str, int]:
        """Field to place among the cells (from 0), where there is no row of names."""
        return {name: position - 1 for name, position in self.columns.placed().items()}

    def width(self) -> int:
        """How many cells a row has, where there is no row of names."""
        return len(self.columns.placed()) + len(self.ignored_columns)

    # -- what cannot be meant ---------------------------------------------------------------------

    @field_validator("charset")
    @classmethod
    def _charset_exists(cls, name: str) -> str:
        try:
            found = codecs.lookup(name)
            is_text = found.decode(found.encode(_SAMPLE)[0])[0] == _SAMPLE
        except (LookupError, ValueError, TypeError, AttributeError, AssertionError):
            is_text = False
        if not is_text or found.name in _NO_CHARSETS:
            raise ValueError(f"no charset {name!r}: windows-1252, utf-8, iso-8859-1, …")
        return found.name

    @field_validator("delimiter", "ward_delimiter")
    @classmethod
    def _delimiter_separates(cls, sign: str) -> str:
        if sign.isalnum() or sign in '"\r\n ':
            raise ValueError(f"{sign!r} cannot separate cells: use ; , | or a tab")
        return sign

    @field_validator("time_forms")
    @classmethod
    def _forms_can_be_read(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        odd = [form for form in forms if not is_time_form(form)]
        if odd:
            raise ValueError(
                f"{odd} cannot be read back, or lack a day, an hour or a minute: forms are strptime's, as "
                "%Y-%m-%d %H:%M"
            )
        return forms

    @field_validator("exported_at")
    @classmethod
    def _name_tells_the_time(cls, pattern: str) -> str:
        if pattern not in {HEADER, MTIME}:
            fault = NameTime(pattern).fault()
            if fault is not None:
                raise ValueError(f"{pattern!r} is neither header nor mtime, and {fault}")
        return pattern

    @field_validator("leave_codes", "overbedding_codes", "protection_codes")
    @classmethod
    def _fold_codes(cls, codes: Mapping[str, bool | Protection]) -> dict[str, bool | Protection]:
        folded: dict[str, bool | Protection] = {}
        for code, meaning in codes.items():
            if folded.setdefault(code.strip().casefold(), meaning) != meaning:
                raise ValueError(f"code {code!r} has two meanings: case and blanks do not count")
        return folded

    @model_validator(mode="after")
    def _columns_fit_the_header(self) -> Self:
        named, placed = self._given_names(), self.columns.placed()
        if self.header is not False:
            if placed or any(isinstance(one, int) for one in self.ignored_columns):
                raise ValueError(
                    "columns by position are for files without column names: set header = false, or "
                    "name the columns"
                )
            missing = [
                field for field in ("ward", "patient") if not self.columns.named().get(field)
            ]
        else:
            if named or any(isinstance(one, str) for one in self.ignored_columns):
                raise ValueError(
                    f"header = false, so that columns {named or list(self.ignored_columns)} have no "
                    'names: give positions from 1, or set header = "names"'
                )
            missing = [field for field in ("ward", "patient") if field not in placed]
        if missing:
            raise ValueError(f"columns: {missing} must be there")
        return self

    def _given_names(self) -> list[str]:
        """Of columns whose names the configuration itself gives."""
        return [
            name
            for field, name in self.columns.named().items()
            if field in self.columns.model_fields_set
        ]

    @model_validator(mode="after")
    def _positions_leave_no_gap(self) -> Self:
        if self.header is not False:
            return self
        given = sorted([*self.columns.placed().values(), *map(int, self.ignored_columns)])
        if given != list(range(1, len(given) + 1)):
            raise ValueError(
                f"columns: of the positions 1 to {given[-1]} each must be a field's or stand in "
                "ignored_columns, once: the number of cells tells whether a row is whole"
            )
        return self

    @model_validator(mode="after")
    def _rows_that_are_not_there_say_nothing(self) -> Self:
        if self.exported_at == HEADER and not self.has_header_rows:
            raise ValueError(
                "without header rows a file does not say when it was exported: set exported_at to "
                '"mtime", or to a pattern of its name as "elvis_%Y%m%d_%H%M.csv"'
            )
        given = self.markers.model_fields_set if "markers" in self.model_fields_set else set()
        vain = given & (set() if self.has_header_rows else {"exported_at", "hospital", "wards"})
        vain |= given & (set() if self.trailer else {"count"})
        if vain:
            raise ValueError(
                f"markers: {sorted(vain)} are of rows that header or trailer say are not there"
            )
        return self

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.delimiter == self.ward_delimiter and self.has_header_rows:
            raise ValueError(
                "delimiter and ward_delimiter are the same: the wards row would be cut"
            )
        if self.visit_assigner and not self.columns.visit:
            raise ValueError(
                "visit_assigner says who gives visit numbers, and there is no column visit"
            )
        return self


_SAMPLE: Final = "a;1\r\n"
_NO_CHARSETS: Final = frozenset(
    {"utf-7", "idna", "punycode", "unicode_escape", "raw-unicode-escape"}
)
"""They read what is no text of theirs, or give halves of characters."""
