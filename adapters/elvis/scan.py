"""The rows of an export, read as far as a comparison needs: who is listed, whose row is new.

Pure. A row whose digest is *settled* (it stood there unchanged in the scope's previous snapshot)
costs a hash and a look-up; only the others are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.common.outcome import Trouble
from adapters.elvis.parse import Row
from adapters.elvis.row import RowReader
from adapters.elvis.state import Listing
from schemas.observation import Patient


class Fresh(NamedTuple):
    """A row to be read in full: its number (from 0), and whom it is about."""

    number: int
    row: Row
    patient: Patient


class RowTrouble(NamedTuple):
    """What is wrong with a row as a whole; the digest lets it be told once."""

    number: int
    digest: str
    trouble: Trouble


@dataclass(slots=True)
class Scan:
    """What the rows of one export add up to. ``wards`` are folded codes with at least one row."""

    listed: dict[str, Listing] = field(default_factory=dict)
    fresh: dict[str, Fresh] = field(default_factory=dict)
    unreadable: list[RowTrouble] = field(default_factory=list)
    twice: list[RowTrouble] = field(default_factory=list)
    wards: set[str] = field(default_factory=set)


def scan(rows: Iterable[Row], reader: RowReader, settled: Mapping[str, str]) -> Scan:
    """Go over the rows once; ``settled`` maps the digest of an unchanged row to its patient."""
    found = Scan()
    for number, row in enumerate(rows):
        if reader.is_whole(row):
            found.wards.add(reader.ward_code(row))
        if not reader.is_vacant(row):
            _take(found, number, row, reader, settled)
    return found


def _take(
    found: Scan, number: int, row: Row, reader: RowReader, settled: Mapping[str, str]
) -> None:
    digest = reader.digest(row)
    key = settled.get(digest)
    patient = reader.patient(row) if key is None else None
    if isinstance(patient, Trouble):
        found.unreadable.append(RowTrouble(number, digest, patient))
        return
    key = patient.key if patient else str(key)
    if key in found.listed:
        _contradict(found, key, RowTrouble(number, digest, reader.twice(row)))
        return
    found.listed[key] = Listing(digest, reader.ward_code(row))
    if patient:
        found.fresh[key] = Fresh(number, row, patient)


def _contradict(found: Scan, key: str, trouble: RowTrouble) -> None:
    # Which of the rows is right cannot be known: the patient is there, nothing more is said.
    found.listed[key] = found.listed[key]._replace(row="")
    found.fresh.pop(key, None)
    found.twice.append(trouble)
