"""The reference export format, as configuration: columns, code tables, charset, date forms.

A file is semicolon separated text in this order: header rows (``key;value``: export time,
hospital, wards covered, in any order), one row of column names, the data rows, one trailer row
(``key;number of data rows``). One data row for each place, occupied or not, and one for each
patient without a place. See ``docs/elvis-export.md`` for what is assumed and why.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Self

from pydantic import Field, field_validator, model_validator

from adapters.common.settings import Section, ZoneName
from schemas.observation import Protection


class Columns(Section):
    """The column name of each field. An empty name: the export does not have the field."""

    ward: str = Field("Avdelning", min_length=1, description="ward of the place; empty: no place")
    room: str = Field("Rum", description="room of the place")
    bed: str = Field("Plats", description="the place within the room")
    patient: str = Field("Patient-id", min_length=1, description="patient's number; empty: vacant")
    responsible_ward: str = Field("Medicinskt ansvarig enhet", description="responsible ward")
    admitted_at: str = Field("Inskriven", description="when admitted; empty: not admitted yet")
    planned_discharge_at: str = Field("Planerad utskrivning", description="planned discharge")
    mark: str = Field("Avsedd avdelning", description="the ward the patient is marked for")
    expected_at: str = Field("Förväntad tid", description="when expected at the marked ward")
    leave: str = Field("Permission", description="whether the patient is on leave")
    overbedding: str = Field("Överbeläggning", description="whether the place is an overbedding")
    protection: str = Field("Sekretess", description="the patient's protection mark")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = list(self.named().values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns {twice} stand for two fields each: name each field's own")
        return self

    def named(self) -> dict[str, str]:
        """Field to column name, for the fields that the export has."""
        return {field: name for field, name in self.model_dump().items() if name}


class Markers(Section):
    """The first cell of the header rows and of the trailer row."""

    exported_at: str = Field("Exporttid", min_length=1, description="row with the export time")
    hospital: str = Field("Sjukhus", min_length=1, description="row with the hospital")
    wards: str = Field("Avdelningar", min_length=1, description="row with the wards covered")
    count: str = Field("Antal rader", min_length=1, description="trailer with the number of rows")


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
    markers: Markers = Field(Markers(), description="first cells of header and trailer rows")
    columns: Columns = Field(Columns(), description="column name of each field")
    ignored_columns: tuple[str, ...] = Field((), description="columns that may stand there unread")
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
    class_admitted: str = Field("I", description="visit class (HL7 table 0004) once admitted")
    class_not_admitted: str = Field("P", description="visit class before admission")

    @field_validator("charset")
    @classmethod
    def _charset_exists(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError:
            raise ValueError(f"no charset {name!r}: windows-1252, utf-8, iso-8859-1, …") from None

    @field_validator("leave_codes", "overbedding_codes", "protection_codes")
    @classmethod
    def _fold_codes(cls, codes: Mapping[str, bool | Protection]) -> dict[str, bool | Protection]:
        return {code.strip().casefold(): meaning for code, meaning in codes.items()}
