"""Bytes to an export: charset, header rows, column names, data rows, trailer.

Pure. What cannot be read as a whole gives one :class:`Trouble` that names line and column and
what to do; then nothing of the file is used. Cells stay text here; ``row`` gives them meaning.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.elvis.format import ExportFormat
from adapters.elvis.times import TimeReader

MAX_ROWS: Final = 100_000
"""A region has some 5,000 places. Without a limit a damaged file of nothing but separators takes
gigabytes, ends the service, and is read again at its next start."""

_UTF8_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One data row: its line in the file (from 1) and its cells as written."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Export:
    """A readable file. ``columns`` tells a field's place among the cells.

    ``exported_late_at`` differs from ``exported_at`` only in the hour that autumn repeats.
    """

    hospital: str
    wards: tuple[str, ...]
    exported_at: datetime
    exported_late_at: datetime
    columns: Mapping[str, int]
    width: int
    rows: tuple[Row, ...]


class _UnreadableError(Exception):
    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where)


def parse(payload: bytes, form: ExportFormat) -> Export | Trouble:
    """The export, or why the file is not one."""
    try:
        return _export(_rows(_text(payload, form), form), form)
    except _UnreadableError as unreadable:
        return unreadable.trouble


def may_be_growing(payload: bytes, form: ExportFormat) -> bool:
    """Whether the last line is not a trailer yet, or is not ended: the writer may be at work."""
    last_line = payload.rstrip().rpartition(b"\n")[2].lstrip(b'"')
    has_trailer = last_line.startswith(form.markers.count.encode(form.charset))
    return not (has_trailer and payload.endswith((b"\n", b"\r")))


def _text(payload: bytes, form: ExportFormat) -> str:
    if payload.startswith(_UTF8_MARK) and form.charset != "utf-8-sig":
        raise _UnreadableError(
            "charset-differs",
            f"begins with a UTF-8 byte order mark, the feed is set to {form.charset}: export in "
            "that charset, or set charset to utf-8-sig",
            "line 1",
        )
    try:
        return payload.decode(form.charset)
    except UnicodeDecodeError as error:
        raise _UnreadableError(
            "charset-differs",
            f"byte 0x{payload[error.start]:02x} does not exist in {form.charset}: export in that "
            "charset, or change the feed's charset",
            _position(payload, error.start),
        ) from None


def _position(payload: bytes, offset: int) -> str:
    line = payload.count(b"\n", 0, offset) + 1
    before = payload.rfind(b"\n", 0, offset)
    return f"line {line}, byte {offset - before}"


def _rows(text: str, form: ExportFormat) -> list[Row]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    try:
        filled = (Row(reader.line_num, tuple(cells)) for cells in reader if cells)
        rows = list(islice(filled, MAX_ROWS + 1))
    except csv.Error as error:
        raise _UnreadableError(
            "csv-unreadable",
            f"the quoting is broken ({error}): export again, or check the delimiter",
            f"line {reader.line_num}",
        ) from None
    if len(rows) > MAX_ROWS:
        raise _UnreadableError(
            "too-many-rows",
            f"no export has more than {MAX_ROWS} rows: the file is damaged; export it again",
            f"line {rows[-1].line}",
        )
    return [row for row in rows if len(row.cells) > 1 or row.cells[0].strip()]


def _export(rows: Sequence[Row], form: ExportFormat) -> Export:
    header, rest = _split_header(rows, form)
    if not rest:
        raise _UnreadableError("trailer-missing", "the file ends before the column names")
    columns = _columns(rest[0], form)
    data = _checked_data(rest[1:], form)
    times = TimeReader(form.time_forms, form.zone)
    exported_at, late = _export_time(header[form.markers.exported_at], times)
    return Export(
        hospital=_single(header[form.markers.hospital], "hospital"),
        wards=_wards(header[form.markers.wards], form),
        exported_at=exported_at,
        exported_late_at=late,
        columns=columns,
        width=len(rest[0].cells),
        rows=tuple(data),
    )


def _split_header(rows: Sequence[Row], form: ExportFormat) -> tuple[dict[str, Row], Sequence[Row]]:
    markers = form.markers
    expected = (markers.exported_at, markers.hospital, markers.wards)
    header = {row.cells[0].strip(): row for row in rows[: len(expected)]}
    missing = [name for name in expected if name not in header]
    if missing:
        reason = "trailer-missing" if len(rows) < len(expected) else "header-unexpected"
        raise _UnreadableError(
            reason,
            f"header rows {missing} are not among the first {len(expected)} rows: check the "
            "export's layout, its charset and delimiter, and the feed's markers",
            "line 1",
        )
    return header, rows[len(expected) :]


def _columns(row: Row, form: ExportFormat) -> dict[str, int]:
    names = [cell.strip() for cell in row.cells]
    wanted = form.columns.named()
    missing = [name for name in wanted.values() if name not in names]
    known = {*wanted.values(), *form.ignored_columns}
    # by number: without a row of names these cells are a patient's
    unknown = [number for number, name in enumerate(names, 1) if name not in known]
    if missing or unknown or len(set(names)) < len(names):
        raise _UnreadableError(
            "header-unexpected",
            f"column names differ: missing {missing}, unknown column numbers {unknown}, each may "
            "stand once; check the charset, map them under columns, or list them in ignored_columns",
            f"line {row.line}",
        )
    return {field: names.index(name) for field, name in wanted.items()}


def _checked_data(rows: Sequence[Row], form: ExportFormat) -> Sequence[Row]:
    if not rows or rows[-1].cells[0].strip() != form.markers.count:
        raise _UnreadableError(
            "trailer-missing",
            f"the last row is not {form.markers.count!r}: the file is cut short; export it again",
            f"line {rows[-1].line}" if rows else None,
        )
    trailer, data = rows[-1], rows[:-1]
    said = _single(trailer, "count")
    if not said.isascii() or not said.isdigit() or int(said) != len(data):
        raise _UnreadableError(
            "count-differs",
            f"the trailer counts otherwise than the {len(data)} data rows that are there: the "
            "file is damaged; export it again",
            f"line {trailer.line}",
        )
    return data


def _single(row: Row, what: str) -> str:
    value = row.cells[1].strip() if len(row.cells) > 1 else ""
    if not value:
        raise _UnreadableError(
            "header-unexpected", f"the {what} is not said in the second cell", f"line {row.line}"
        )
    return value


def _wards(row: Row, form: ExportFormat) -> tuple[str, ...]:
    codes = [code.strip() for code in _single(row, "list of wards").split(form.ward_delimiter)]
    if not all(codes):
        raise _UnreadableError(
            "header-unexpected", "a ward covered has no code: export again", f"line {row.line}"
        )
    return tuple(codes)


def _export_time(row: Row, times: TimeReader) -> tuple[datetime, datetime]:
    text = _single(row, "export time")
    first, late = times.read(text), times.read_second_pass(text)
    if first is None or late is None:
        raise _UnreadableError(
            "export-time-unreadable",
            "the export time has none of the feed's time_forms, or does not exist",
            f"line {row.line}",
        )
    return first, late
