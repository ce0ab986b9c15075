"""A stream of occupancy exports with a known end. Each patient is known by the expected time."""

from __future__ import annotations

import random
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WARDS = ("E1", "E2", "E3", "E4")
ELSEWHERE = "AKM"
COLUMNS = (
    "Avdelning;Rum;Plats;Patient-id;Medicinskt ansvarig enhet;Inskriven;Planerad utskrivning;"
    "Avsedd avdelning;Förväntad tid;Permission;Överbeläggning;Sekretess"
)
FORM = "%Y-%m-%d %H:%M"


@dataclass
class Patient:
    """As the exporting system has it."""

    number: str
    expected_at: datetime
    place: str = ELSEWHERE
    mark: str = ""


class Exports:
    """Full snapshots of one scope, a minute apart, ending about now."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(
            days=7
        )  # a long campaign must not reach now
        self._expected = self._at + timedelta(days=8)
        self._admitted = 0
        self.patients: list[Patient] = []

    def open_designations(self) -> AbstractSet[tuple[str, datetime]]:
        """(ward, expected time) of everyone marked and elsewhere."""
        return {(p.mark, p.expected_at) for p in self.patients if p.mark and p.mark != p.place}

    def next(self) -> tuple[str, bytes]:
        """One more export: its file name and bytes."""
        self._at += timedelta(minutes=1)
        for patient in self.patients:
            self._change(patient)
        while len(self.patients) > 40:
            self.patients.pop(self._random.randrange(len(self.patients)))
        self._admit()
        return f"{self._at:%Y%m%d-%H%M}.csv", self._file()

    def _admit(self) -> None:
        for _ in range(2):
            self._admitted += 1
            expected = self._expected + timedelta(minutes=self._admitted)
            self.patients.append(Patient(f"LOCAL-{self._admitted}", expected))

    def _change(self, patient: Patient) -> None:
        choice = self._random.random()
        if choice < 0.15:
            patient.mark = self._random.choice(WARDS)
        elif choice < 0.25:
            patient.place = patient.mark or self._random.choice((*WARDS, ELSEWHERE))
        elif choice < 0.3:
            patient.mark = ""

    def _file(self) -> bytes:
        rows = [f"{ward};9;9;;;;;;;;;" for ward in (*WARDS, ELSEWHERE)]  # each has a vacant place
        rows += [self._row(patient) for patient in self.patients]
        local = self._at.strftime("%Y-%m-%d %H:%M:%S+0000")
        lines = [
            f"Exporttid;{local}",
            "Sjukhus;Öst",
            f"Avdelningar;{','.join((*WARDS, ELSEWHERE))}",
        ]
        lines += [COLUMNS, *rows, f"Antal rader;{len(rows)}", ""]
        return "\r\n".join(lines).encode("cp1252")

    def _row(self, patient: Patient) -> str:
        expected = f"{patient.expected_at:%Y-%m-%d %H:%M:%S+0000}" if patient.mark else ""
        cells = (
            patient.place, "1", patient.number, patient.number, "", "2026-01-10 10:00", "",
            patient.mark, expected, "", "", "",
        )  # fmt: skip
        return ";".join(cells)
