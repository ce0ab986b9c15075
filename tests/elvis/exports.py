"""Export files for tests: rows as small values, bytes in the reference format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.elvis.compare import Context
from adapters.elvis.format import ExportFormat
from adapters.elvis.handle import make_context
from adapters.elvis.settings import ElvisSettings
from schemas.ward import WardRegister

FEED = FeedIdentity("elvis", "elvis", "region")
KEYER = PatientKeyer(b"a secret of the tests")
FORM = ExportFormat()
NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
"""Noon in Stockholm: the tests' exports are named in minutes after it."""


class Row(NamedTuple):
    """One data row; the members stand in the order of the reference format's columns."""

    ward: str = ""
    room: str = ""
    bed: str = ""
    patient: str = ""
    responsible: str = ""
    admitted: str = ""
    planned_discharge: str = ""
    mark: str = ""
    expected: str = ""
    leave: str = ""
    overbedding: str = ""
    protection: str = ""


class File(NamedTuple):
    """One export: minutes after noon, rows, and what the header says."""

    minute: int
    rows: Sequence[Row]
    wards: str = "B1,B2"
    hospital: str = "SÄS Borås"
    counted: int | None = None

    @property
    def at(self) -> datetime:
        return NOON + timedelta(minutes=self.minute)

    def text(self) -> str:
        local = datetime(2026, 3, 2, 12, 0) + timedelta(minutes=self.minute)  # noqa: DTZ001
        lines = [
            f"Exporttid;{local:%Y-%m-%d %H:%M:%S}",
            f"Sjukhus;{self.hospital}",
            f"Avdelningar;{self.wards}",
            ";".join(FORM.columns.named().values()),
            *(";".join(row) for row in self.rows),
            f"Antal rader;{len(self.rows) if self.counted is None else self.counted}",
        ]
        return "\r\n".join(lines) + "\r\n"

    def payload(self) -> bytes:
        return self.text().encode("windows-1252")


VACANT = (Row("B1", "1", "1"), Row("B2", "1", "1"))
"""A free place on each ward: a covered ward always has a row."""


def export(minute: int, *rows: Row, wards: str = "B1,B2", hospital: str = "SÄS Borås") -> File:
    """An export whose covered wards each have a free place besides the rows given."""
    vacant = [Row(ward, "9", "9") for ward in wards.split(",")]
    return File(minute, [*vacant, *rows], wards, hospital)


def context(settings: ElvisSettings | None = None, register: WardRegister | None = None) -> Context:
    """A feed's context; without a register each code stands for itself."""
    settings = settings or ElvisSettings(directory=Path("inbox"))
    return make_context(FEED, settings, register or WardRegister(open_register=True), KEYER)
