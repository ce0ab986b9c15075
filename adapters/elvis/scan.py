"""Scans the rows of an export as far as a comparison needs: who is listed, which rows are new.

Pure. A row is known by its statement, the hash of its cells. One that is *settled* (it stood there unchanged in the
scope's previous snapshot, which was read alike) costs a hash and a look-up; only the others are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.common.outcome import Trouble
from adapters.elvis.row import MISSHAPEN, RowReader, RowSubject
from adapters.elvis.rows import ExportRow
from adapters.elvis.state import SnapshotRow


class Fresh(NamedTuple):
    """A row to be read in full: its number (from 0), and whom it is about."""

    number: int
    row: ExportRow
    who: RowSubject


class RowTrouble(NamedTuple):
    """What is wrong with a row as a whole; the statement lets it be told once."""

    number: int
    statement: str
    trouble: Trouble


@dataclass(slots=True)
class Scan:
    """What the rows of one export add up to. ``wards`` are folded codes with at least one row.

    ``unreadable`` rows may be anybody's, and so may those of somebody who stands there ``twice``.
    """

    listed: dict[str, SnapshotRow] = field(default_factory=dict)
    fresh: dict[str, Fresh] = field(default_factory=dict)
    unreadable: list[RowTrouble] = field(default_factory=list)
    twice: list[RowTrouble] = field(default_factory=list)
    wards: set[str] = field(default_factory=set)

    @property
    def unused(self) -> list[RowTrouble]:
        """Rows that say nothing; with one of them the export lacks nobody."""
        return [*self.unreadable, *self.twice]

    @property
    def misshapen(self) -> list[RowTrouble]:
        """Rows whose cells cannot be told apart."""
        return [one for one in self.unreadable if one.trouble.reason in MISSHAPEN]


def scan(rows: Sequence[ExportRow], reader: RowReader, settled: Mapping[str, str]) -> Scan:
    """Go over the rows once; ``settled`` maps the statement of an unchanged row to its patient."""
    return _Scanner(rows, reader, settled).scan()


class _Scanner:
    def __init__(
        self, rows: Sequence[ExportRow], reader: RowReader, settled: Mapping[str, str]
    ) -> None:
        self._rows = rows
        self._reader = reader
        self._settled = settled
        self._first: dict[str, int] = {}
        self._found = Scan()

    def scan(self) -> Scan:
        for number, row in enumerate(self._rows):
            ward = self._reader.ward_code(row)
            self._found.wards.add(ward)
            if not self._reader.is_vacant(row):
                self._take(number, row, ward)
        return self._found

    def _take(self, number: int, row: ExportRow, ward: str) -> None:
        listing = SnapshotRow(self._reader.statement(row), ward)
        key = self._settled.get(listing.row)
        if key is not None:
            self._list(key, number, listing)
            return
        who = self._reader.who(row)
        if isinstance(who, Trouble):
            self._found.unreadable.append(RowTrouble(number, listing.row, who))
        elif self._list(who.key, number, listing):
            self._found.fresh[who.key] = Fresh(number, row, who)

    def _list(self, key: str, number: int, listing: SnapshotRow) -> bool:
        if key in self._found.listed:
            self._contradict(key, number, listing)
            return False
        self._found.listed[key] = listing
        self._first[key] = number
        return True

    def _contradict(self, key: str, number: int, listing: SnapshotRow) -> None:
        # Which of the rows is right cannot be known: the patient is there, nothing more is said.
        first = self._found.listed[key]
        if not first.anew:
            self._tell_twice(self._first[key], first.row)
        self._tell_twice(number, listing.row)
        self._found.listed[key] = first._replace(anew=True)
        self._found.fresh.pop(key, None)

    def _tell_twice(self, number: int, statement: str) -> None:
        trouble = self._reader.twice(self._rows[number])
        self._found.twice.append(RowTrouble(number, statement, trouble))
