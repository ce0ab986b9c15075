"""Text to rows of cells (RFC 4180, with the configured delimiter). Pure and total.

A quote that stands where none may breaks the row that it is in, and with it all rows up to the next quote.
So a text whose quoting is broken is read a second time, line by line: then no cell holds a line break, and
a row that cannot be read is one row, marked as broken. Whether the second reading is right is for the number
of rows to tell, which the trailer has.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble

MAX_ROWS: Final = 100_000
"""A region has some 5,000 places. Without a limit a damaged file of nothing but separators takes
gigabytes, ends the service, and is read again at its next start."""

MAX_FIELD_CHARS: Final = 2**31 - 1
"""The library refuses a file for one cell of more than 131,072. A cell costs its field (``cells``), and no
cell is larger than the file, which has a limit."""

CSV_UNREADABLE: Final = "csv-unreadable"
_LINE: Final = re.compile(r"[^\r\n]+")


class ExportRow(NamedTuple):
    """One row: its last line in the file (from 1) and its cells as written.

    ``is_broken``: its quoting is; the only cell is the line.
    """

    line: int
    cells: tuple[str, ...]
    is_broken: bool = False

    @property
    def is_blank(self) -> bool:
        """Nothing stands in it; a spreadsheet saves a blank line as so many delimiters."""
        return not "".join(self.cells).strip()


def read_rows(text: str, delimiter: str) -> list[ExportRow] | Trouble:
    """The rows of a text, empty lines aside, or why it has none."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        filled = (ExportRow(reader.line_num, tuple(cells)) for cells in reader if cells)
        return _limited(filled)
    except csv.Error as error:
        return Trouble(
            CSV_UNREADABLE,
            f"the quoting is broken ({error}): export again, or check the delimiter",
            f"line {reader.line_num}",
        )


def read_lines(text: str, delimiter: str) -> list[ExportRow] | Trouble:
    """The rows of a text in which no cell holds a line break, broken ones marked."""
    csv.field_size_limit(MAX_FIELD_CHARS)
    return _limited(_lines(text, delimiter))


def _lines(text: str, delimiter: str) -> Iterator[ExportRow]:
    number, at = 1, 0
    for line in _LINE.finditer(text):
        between = text[at : line.start()]
        number += _line_ends(between) if len(between) > 1 else len(between)
        at = line.end()
        yield _row(number, line[0], delimiter)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _row(number: int, line: str, delimiter: str) -> ExportRow:
    if '"' not in line:  # as the library reads it, without a reader for each line
        return ExportRow(number, tuple(line.split(delimiter)))
    try:
        cells = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return ExportRow(number, (line,), is_broken=True)
    return ExportRow(number, tuple(cells))


def _limited(rows: Iterator[ExportRow]) -> list[ExportRow] | Trouble:
    found = list(islice(rows, MAX_ROWS + 1))
    if len(found) <= MAX_ROWS:
        return found
    return Trouble(
        "too-many-rows",
        f"no export has more than {MAX_ROWS} rows: the file is damaged; export it again",
        f"line {found[-1].line}",
    )
