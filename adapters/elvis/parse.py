"""Bytes to an export: charset, header rows, column names, data rows, trailer.

Pure and total. What cannot be read as a whole gives one :class:`Trouble` that names line and column and
what to do; then nothing of the file is used. Cells stay text here; ``row`` gives them meaning. What the
configuration says is not in the file comes from :mod:`adapters.elvis.outside`.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.common.stamp import counted
from adapters.common.text import is_readable
from adapters.elvis.format import HEADER, ExportFormat
from adapters.elvis.rows import CSV_UNREADABLE, ExportRow, read_lines, read_rows
from adapters.elvis.times import ExportTimeReader

MAX_COLUMNS: Final = 1_000
"""Of the row of column names; real exports have some dozens."""

MAX_NAME_CHARS: Final = 100
"""Of a hospital or a ward code in the header."""

COUNT_DIFFERS: Final = "count-differs"
_UTF8_MARK = b"\xef\xbb\xbf"


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
    """A readable file. ``columns`` tells a field's place among the cells, ``width`` how many a row has.

    ``exported_late_at`` differs from ``exported_at`` only in the hour that autumn repeats. ``unnamed``: so
    many columns at the end have no name, and nothing may stand in them.
    """

    hospital: str
    wards: tuple[str, ...]
    exported_at: datetime
    exported_late_at: datetime
    columns: Mapping[str, int]
    width: int
    rows: tuple[ExportRow, ...]
    unnamed: int = 0


class _UnreadableError(Exception):
    def __init__(self, reason: str, detail: str, where: str | None = None) -> None:
        super().__init__(reason)
        self.trouble = Trouble(reason, detail, where)


def parse(payload: bytes, form: ExportFormat, given: Given = NOTHING_GIVEN) -> Export | Trouble:
    """The export, or why the file is not one."""
    try:
        text = _text(payload, form)
    except _UnreadableError as unreadable:
        return unreadable.trouble
    found = _read(read_rows(text, form.delimiter), form, given)
    if isinstance(found, Export) or found.reason not in _MAY_BE_ONE_QUOTE or '"' not in text:
        return found
    by_line = _read(read_lines(text, form.delimiter), form, given)
    return found if isinstance(by_line, Trouble) else by_line


_MAY_BE_ONE_QUOTE: Final = frozenset({CSV_UNREADABLE, COUNT_DIFFERS, "trailer-missing"})
"""A quote in the wrong place swallows rows up to the next quote, the trailer too."""


def _read(rows: list[ExportRow] | Trouble, form: ExportFormat, given: Given) -> Export | Trouble:
    if isinstance(rows, Trouble):
        return rows
    try:
        return _export(_said_rows(rows, form), form, given)
    except _UnreadableError as unreadable:
        return unreadable.trouble


def _said_rows(rows: Sequence[ExportRow], form: ExportFormat) -> list[ExportRow]:
    """Without blank rows, as far as the trailer counts the others, and without a spreadsheet's ``sep=;``."""
    if rows and rows[0].cells[0].casefold() == "sep=" and not any(rows[0].cells[1:]):
        rows = rows[1:]
    return [row for row in rows if not row.is_blank or (len(row.cells) > 1 and not form.trailer)]


def may_be_growing(payload: bytes, form: ExportFormat) -> bool:
    """Whether the last line is not a trailer yet, or is not ended: the writer may be at work."""
    if not form.trailer:
        return True
    try:
        text = codecs.getincrementaldecoder(form.charset)("ignore").decode(payload)
    except UnicodeError:  # not even the mark of its byte order
        return True
    last_line = text.rstrip().replace("\r", "\n").rpartition("\n")[2].lstrip('"')
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


def _export(rows: Sequence[ExportRow], form: ExportFormat, given: Given) -> Export:
    header, rest = _split_header(rows, form) if form.has_header_rows else ({}, rows)
    names, rest = _split_names(rest, form)
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
        columns=names.columns,
        width=names.width,
        rows=tuple(data),
        unnamed=names.unnamed,
    )


def _said(header: Mapping[str, ExportRow], form: ExportFormat, given: Given) -> Given:
    markers = form.markers
    if form.exported_at == HEADER:
        times = _export_time(
            header[markers.exported_at], ExportTimeReader(form.time_forms, form.zone)
        )
        given = given._replace(times=times)
    if form.has_header_rows:
        hospital = _name(_single(header[markers.hospital], "hospital"), header[markers.hospital])
        return given._replace(hospital=hospital, wards=_wards(header[markers.wards], form))
    return given


def _split_header(
    rows: Sequence[ExportRow], form: ExportFormat
) -> tuple[dict[str, ExportRow], Sequence[ExportRow]]:
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


class _Names(NamedTuple):
    """Each field's place among the cells of a row, how many those are, and how many have no name."""

    columns: Mapping[str, int]
    width: int
    unnamed: int = 0


def _split_names(
    rows: Sequence[ExportRow], form: ExportFormat
) -> tuple[_Names, Sequence[ExportRow]]:
    if form.header is False:
        return _Names(form.positions(), form.width()), rows
    if not rows:
        raise _UnreadableError("trailer-missing", "the file ends before the column names")
    return _columns(rows[0], form), rows[1:]


def _columns(row: ExportRow, form: ExportFormat) -> _Names:
    names = [cell.strip() for cell in row.cells[: MAX_COLUMNS + 1]]
    named = len(names)
    while named and not names[named - 1]:  # a program ends each row with a delimiter
        named -= 1
    names, unnamed = names[:named], len(names) - named
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
    columns = {field: names.index(name) for field, name in wanted.items()}
    return _Names(columns, len(row.cells), unnamed)


def _split_trailer(rows: Sequence[ExportRow], form: ExportFormat) -> Sequence[ExportRow]:
    if not rows or rows[-1].cells[0].strip() != form.markers.count:
        raise _UnreadableError(
            "trailer-missing",
            f"the last row is not {form.markers.count!r}: the file is cut short; export it again",
            f"line {rows[-1].line}" if rows else None,
        )
    trailer, data = rows[-1], rows[:-1]
    if counted(_single(trailer, "count")) != len(data):
        raise _UnreadableError(
            COUNT_DIFFERS,
            f"the trailer counts otherwise than the {len(data)} data rows that are there: the "
            "file is damaged; export it again",
            f"line {trailer.line}",
        )
    return data


def _single(row: ExportRow, what: str) -> str:
    value = row.cells[1].strip() if len(row.cells) > 1 else ""
    if not value:
        raise _UnreadableError(
            "header-unexpected", f"the {what} is not said in the second cell", f"line {row.line}"
        )
    return value


def _name(text: str, row: ExportRow) -> str:
    """A hospital or a ward code: it becomes a key, and stands in what people are told."""
    if not text or len(text) > MAX_NAME_CHARS or not is_readable(text):
        raise _UnreadableError(
            "header-unexpected",
            "a hospital or a ward covered has no name, one of over "
            f"{MAX_NAME_CHARS} letters, or one with signs that cannot be seen: export again",
            f"line {row.line}",
        )
    return text


def _wards(row: ExportRow, form: ExportFormat) -> tuple[str, ...]:
    codes = _single(row, "list of wards").split(form.ward_delimiter)
    return tuple(_name(code.strip(), row) for code in codes)


def _export_time(row: ExportRow, times: ExportTimeReader) -> Times:
    text = _single(row, "export time")
    first, late = times.read(text), times.read_second_pass(text)
    if first is None or late is None:
        raise _UnreadableError(
            "export-time-unreadable",
            "the export time has none of the feed's time_forms, or does not exist",
            f"line {row.line}",
        )
    return Times(first, late)
