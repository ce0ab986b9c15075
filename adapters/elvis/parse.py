"""Bytes to an export: charset, header rows, column names, data rows, trailer.

Pure and total. What cannot be read as a whole gives one :class:`Trouble` that names line and column and
what to do; then nothing of the file is used. Cells stay text here; ``row`` gives them meaning. What the
configuration says is not in the file comes from :mod:`adapters.elvis.outside`.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.common.stamp import counted
from adapters.common.text import is_readable
from adapters.elvis.format import HEADER, ExportFormat
from adapters.elvis.times import TimeReader

MAX_ROWS: Final = 100_000
"""A region has some 5,000 places. Without a limit a damaged file of nothing but separators takes
gigabytes, ends the service, and is read again at its next start."""

MAX_COLUMNS: Final = 1_000
"""Of the row of column names; real exports have some dozens."""

MAX_FIELD_CHARS: Final = 2**31 - 1
"""The library refuses a file for one cell of more than 131,072. A cell costs its field (``row``), and no
cell is larger than the file, which has a limit."""

MAX_NAME_CHARS: Final = 100
"""Of a hospital or a ward code in the header."""

_UTF8_MARK = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One data row: its line in the file (from 1) and its cells as written."""

    line: int
    cells: tuple[str, ...]


class Times(NamedTuple):
    """When an export was made; ``late`` differs only in the hour that autumn repeats."""

    first: datetime
    late: datetime


class Given(NamedTuple):
    """What an export does not say itself: when it was made, of which hospital and wards it is."""

    times: Times | None = None
    hospital: str = ""
    wards: tuple[str, ...] = ()


NOTHING_GIVEN: Final = Given()


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


def parse(payload: bytes, form: ExportFormat, given: Given = NOTHING_GIVEN) -> Export | Trouble:
    """The export, or why the file is not one."""
    try:
        return _export(_rows(_text(payload, form), form), form, given)
    except _UnreadableError as unreadable:
        return unreadable.trouble


def may_be_growing(payload: bytes, form: ExportFormat) -> bool:
    """Whether the last line is not a trailer yet, or is not ended: the writer may be at work."""
    if not form.trailer:
        return True
    try:
        text = codecs.getincrementaldecoder(form.charset)("ignore").decode(payload)
    except UnicodeError:  # not even the mark of its byte order
        return True
    last_line = text.rstrip().rpartition("\n")[2].lstrip('"')
    return not (last_line.startswith(form.markers.count) and text.endswith(("\n", "\r")))


def _text(payload: bytes, form: ExportFormat) -> str:
    if payload.startswith(_UTF8_MARK) and form.charset not in {"utf-8-sig", "utf-8"}:
        raise _UnreadableError(
            "charset-differs",
            f"begins with a UTF-8 byte order mark, the feed is set to {form.charset}: export in "
            "that charset, or set charset to utf-8-sig",
            "line 1",
        )
    payload = payload.removeprefix(_UTF8_MARK)
    try:
        return payload.decode(form.charset)
    except UnicodeError as error:
        raise _undecodable(payload, form, error) from None


def _undecodable(payload: bytes, form: ExportFormat, error: UnicodeError) -> _UnreadableError:
    what, where = "what stands there", None
    if isinstance(error, UnicodeDecodeError) and error.start < len(payload):
        what, where = f"byte 0x{payload[error.start]:02x}", _position(payload, error.start)
    return _UnreadableError(
        "charset-differs",
        f"{what} does not exist in {form.charset}: export in that charset, or change the feed's "
        "charset",
        where,
    )


def _position(payload: bytes, offset: int) -> str:
    line = payload.count(b"\n", 0, offset) + 1
    before = payload.rfind(b"\n", 0, offset)
    return f"line {line}, byte {offset - before}"


def _rows(text: str, form: ExportFormat) -> list[Row]:
    csv.field_size_limit(MAX_FIELD_CHARS)
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


def _export(rows: Sequence[Row], form: ExportFormat, given: Given) -> Export:
    header, rest = _split_header(rows, form) if form.has_header_rows else ({}, rows)
    columns, width, rest = _split_names(rest, form)
    data = _split_trailer(rest, form) if form.trailer else rest
    said = _said(header, form, given)
    if said.times is None:
        raise _UnreadableError(
            "export-time-unreadable", "neither the file nor its name says when it was made"
        )
    return Export(
        hospital=said.hospital,
        wards=said.wards,
        exported_at=said.times.first,
        exported_late_at=said.times.late,
        columns=columns,
        width=width,
        rows=tuple(data),
    )


def _said(header: Mapping[str, Row], form: ExportFormat, given: Given) -> Given:
    markers = form.markers
    if form.exported_at == HEADER:
        times = _export_time(header[markers.exported_at], TimeReader(form.time_forms, form.zone))
        given = given._replace(times=times)
    if form.has_header_rows:
        hospital = _name(_single(header[markers.hospital], "hospital"), header[markers.hospital])
        return given._replace(hospital=hospital, wards=_wards(header[markers.wards], form))
    return given


def _split_header(rows: Sequence[Row], form: ExportFormat) -> tuple[dict[str, Row], Sequence[Row]]:
    markers = form.markers
    expected = [markers.hospital, markers.wards]
    expected += [markers.exported_at] if form.exported_at == HEADER else []
    known = {markers.hospital, markers.wards, markers.exported_at}
    found = [row.cells[0].strip() for row in rows[: len(known)]]
    length = next((n for n, name in enumerate(found) if name not in known), len(found))
    header = {row.cells[0].strip(): row for row in rows[:length]}
    missing = [name for name in expected if name not in header]
    if missing or len(header) < length:
        reason = "trailer-missing" if len(rows) < len(expected) else "header-unexpected"
        raise _UnreadableError(
            reason,
            f"header rows {missing} are not among the first {len(expected)} rows, once each: check the "
            "export's layout, its charset and delimiter, and the feed's markers",
            "line 1",
        )
    return header, rows[length:]


def _split_names(
    rows: Sequence[Row], form: ExportFormat
) -> tuple[Mapping[str, int], int, Sequence[Row]]:
    """Each field's place, the number of cells of a row, and the rows that follow."""
    if form.header is False:
        return form.positions(), form.width(), rows
    if not rows:
        raise _UnreadableError("trailer-missing", "the file ends before the column names")
    return _columns(rows[0], form), len(rows[0].cells), rows[1:]


def _columns(row: Row, form: ExportFormat) -> dict[str, int]:
    names = [cell.strip() for cell in row.cells[: MAX_COLUMNS + 1]]
    wanted = form.columns.named()
    missing = [name for name in wanted.values() if name not in names]
    known = {*wanted.values(), *form.ignored_columns}
    # by number: without a row of names these cells are a patient's
    unknown = [number for number, name in enumerate(names, 1) if name not in known]
    if missing or unknown or len(set(names)) < len(names):
        raise _UnreadableError(
            "header-unexpected",
            f"column names differ: missing {missing}, unknown column numbers {unknown[:50]}, each may "
            "stand once; check the charset, map them under columns, or list them in ignored_columns",
            f"line {row.line}",
        )
    return {field: names.index(name) for field, name in wanted.items()}


def _split_trailer(rows: Sequence[Row], form: ExportFormat) -> Sequence[Row]:
    if not rows or rows[-1].cells[0].strip() != form.markers.count:
        raise _UnreadableError(
            "trailer-missing",
            f"the last row is not {form.markers.count!r}: the file is cut short; export it again",
            f"line {rows[-1].line}" if rows else None,
        )
    trailer, data = rows[-1], rows[:-1]
    if counted(_single(trailer, "count")) != len(data):
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


def _name(text: str, row: Row) -> str:
    """A hospital or a ward code: it becomes a key, and stands in what people are told."""
    if not text or len(text) > MAX_NAME_CHARS or not is_readable(text):
        raise _UnreadableError(
            "header-unexpected",
            "a hospital or a ward covered has no name, one of over "
            f"{MAX_NAME_CHARS} letters, or one with signs that cannot be seen: export again",
            f"line {row.line}",
        )
    return text


def _wards(row: Row, form: ExportFormat) -> tuple[str, ...]:
    codes = _single(row, "list of wards").split(form.ward_delimiter)
    return tuple(_name(code.strip(), row) for code in codes)


def _export_time(row: Row, times: TimeReader) -> Times:
    text = _single(row, "export time")
    first, late = times.read(text), times.read_second_pass(text)
    if first is None or late is None:
        raise _UnreadableError(
            "export-time-unreadable",
            "the export time has none of the feed's time_forms, or does not exist",
            f"line {row.line}",
        )
    return Times(first, late)
