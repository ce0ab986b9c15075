"""Finds a cell in the bytes of an export. Total: what cannot be found is not marked.

Of a file that lists a whole ward, a trouble is about one line: only that one is shown, with the names
of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.common.locating import ByteSpan, Located
from adapters.elvis.format import ExportFormat

_PLACE: Final = re.compile(r"line (\d+)(?:, column (.+)|, byte (\d+))?")
_LINE: Final = re.compile(rb"[^\n]*\n?")
_SHOWN_LINES: Final = 1
"""Of a file that is refused as a whole: its beginning, which lists nobody yet."""


def locate(payload: bytes, where: str, form: ExportFormat) -> Located:
    """The line, and the cell or byte that a trouble names (``line 7, column Avsedd avdelning``)."""
    lines = [ByteSpan(*found.span()) for found in _LINE.finditer(payload) if found[0]]
    head = _column_names(payload, lines, form)
    place = _PLACE.fullmatch(where)
    number = int(place[1]) if place else 0
    if place is None or not 1 <= number <= len(lines):
        return Located(_beginning(lines, head))
    line = lines[number - 1]
    if place[3]:
        start = min(line.start + int(place[3]) - 1, line.end)
        return Located(line, ByteSpan(start, min(start + 1, line.end)), head)
    names = _cells(payload, head, form) if head else []
    column = [_text(payload, each, form) for each in names]
    if place[2] not in column:
        return Located(line, None, head)
    cells = _cells(payload, line, form)
    at = column.index(place[2])
    end = line.start + len(_without_end(payload, line))
    return Located(line, cells[at] if at < len(cells) else ByteSpan(end, end), head)


def kept(payload: bytes, form: ExportFormat) -> Iterator[ByteSpan]:
    """What stays in an export's shape: the names of its columns."""
    lines = [ByteSpan(*found.span()) for found in _LINE.finditer(payload) if found[0]]
    head = _column_names(payload, lines, form)
    if head is not None:
        yield head


def _beginning(lines: Sequence[ByteSpan], head: ByteSpan | None) -> ByteSpan:
    """The header rows, up to the column names."""
    end = head.end if head else (lines[_SHOWN_LINES - 1].end if lines else 0)
    return ByteSpan(0, end)


def _column_names(payload: bytes, lines: Sequence[ByteSpan], form: ExportFormat) -> ByteSpan | None:
    wanted = form.columns.patient
    for line in lines:
        if wanted in {_text(payload, cell, form) for cell in _cells(payload, line, form)}:
            return line
    return None


def _without_end(payload: bytes, line: ByteSpan) -> bytes:
    return payload[line.start : line.end].rstrip(b"\r\n")


def _cells(payload: bytes, line: ByteSpan, form: ExportFormat) -> list[ByteSpan]:
    """The cells of a line as they stand, quotes and all."""
    mark, cells = form.delimiter.encode(form.charset), list[ByteSpan]()
    start, quoted = line.start, False
    end = line.start + len(_without_end(payload, line))
    at = start
    while at < end:
        if payload[at : at + 1] == b'"':
            quoted = not quoted
        elif not quoted and payload.startswith(mark, at):
            cells.append(ByteSpan(start, at))
            start = at + len(mark)
        at += 1
    return [*cells, ByteSpan(start, end)]


def _text(payload: bytes, cell: ByteSpan, form: ExportFormat) -> str:
    text = payload[cell.start : cell.end].decode(form.charset, "replace")
    return text.strip().strip('"').strip("\ufeff")
