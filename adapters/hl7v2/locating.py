"""Finds a field in the bytes of a frame. Total: what cannot be found is not marked.

Of several segments of a name the first is meant, as it is by the reader. A field that the segment does
not reach is marked as a place without bytes, at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from adapters.common.locating import ByteSpan, Located, whole
from adapters.hl7v2.fields import FieldPath, field_path

_SEGMENT: Final = re.compile(rb"[^\r\n]+")
_NAME: Final = re.compile(rb"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9])")
_HEADER: Final = b"MSH"
_NTH: Final = re.compile(r"([A-Z][A-Z0-9]{2})\[(\d{1,6})\]")
_NAME_BYTES: Final = 3
_SAFE: Final = (1, 2, 9, 12, 18)
"""Fields of MSH that tell of the message, never of a patient."""


def locate(payload: bytes, where: str) -> Located:
    """The message, and the field that a trouble names (``PV1-3``, ``MSH-9.2``), or the segment (``MSH[2]``)."""
    if named := _NTH.fullmatch(where):
        return Located(whole(payload), _nth(payload, named[1].encode(), int(named[2])))
    try:
        path = field_path(where)
    except ValueError:
        return Located(whole(payload))
    for segment in _segments(payload):
        if payload[segment.start : segment.start + _NAME_BYTES] == path.segment.encode():
            return Located(whole(payload), _field(payload, segment, path))
    return Located(whole(payload))


def kept(payload: bytes) -> Iterator[ByteSpan]:
    """What stays in a message's shape: the names of segments, and what MSH says of the message."""
    for segment in _segments(payload):
        if _NAME.match(payload, segment.start, segment.end):
            yield ByteSpan(segment.start, segment.start + _NAME_BYTES)
        if payload.startswith(_HEADER, segment.start):
            for number in _SAFE:
                yield _field(payload, segment, FieldPath("MSH", number, 0, ""))


def _nth(payload: bytes, name: bytes, number: int) -> ByteSpan | None:
    """The segment of that name and number; also one that begins amid a line."""
    starts = [found.start() for found in re.finditer(name + rb"(?![A-Za-z0-9])", payload)]
    if len(starts) < number:
        return None
    start = starts[number - 1]
    line = _SEGMENT.match(payload, start)
    return ByteSpan(start, line.end() if line else start)


def _segments(payload: bytes) -> Iterator[ByteSpan]:
    for found in _SEGMENT.finditer(payload):
        yield ByteSpan(*found.span())


def _field(payload: bytes, segment: ByteSpan, path: FieldPath) -> ByteSpan:
    marks = _marks(payload)
    is_header = path.segment == "MSH"
    if is_header and path.field == 1:
        return ByteSpan(
            segment.start + _NAME_BYTES, min(segment.start + _NAME_BYTES + 1, segment.end)
        )
    number = path.field - 1 if is_header else path.field
    field = _part(payload, segment, marks[:1], number)
    if not path.component or (is_header and path.field == 2):  # noqa: PLR2004 - MSH-2 is the marks
        return field
    repetition = _part(payload, field, marks[2:3], 0)
    return _part(payload, repetition, marks[1:2], path.component - 1)


def _marks(payload: bytes) -> bytes:
    at = payload.find(_HEADER)
    return payload[at + 3 : at + 6] if at >= 0 else b"|^~"


def _part(payload: bytes, span: ByteSpan, mark: bytes, number: int) -> ByteSpan:
    """The part with that number between marks; an empty one at the end where there are fewer."""
    start = span.start
    for _ in range(number):
        found = payload.find(mark, start, span.end) if mark else -1
        if found < 0:
            return ByteSpan(span.end, span.end)
        start = found + 1
    end = payload.find(mark, start, span.end) if mark else -1
    return ByteSpan(start, span.end if end < 0 else end)
