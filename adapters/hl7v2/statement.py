"""The statement of a message as sent: equal for a message that is sent again, whatever its header.

Told from the bytes, so that one which cannot be read has a statement too. MSH is left out but for
MSH-9: control id, times of sending and names of applications differ each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.common.outcome import Named
from adapters.common.review import statement_of
from adapters.hl7v2.reader import BLANK, BOM

_LINE_END: Final = re.compile(rb"[\r\n]")
_HEADER: Final = b"MSH"
_TYPE_AT: Final = 8  # MSH-9: MSH-1 is the separator itself
_CONTROL_ID: Final = (_HEADER, 9)  # MSH-10
_NEEDED: Final = (_CONTROL_ID, (b"EVN", 2), (b"PID", 3), (b"PV1", 19))
_NAMES: Final = (
    *_NEEDED, (_HEADER, 2), (_HEADER, 3), (b"PID", 18), (b"PV1", 50), (b"ZBE", 1),
)  # fmt: skip
_NAMING: Final = frozenset(segment for segment, _ in _NAMES)


def statement(payload: bytes) -> str:
    """The hash of what a frame's bytes say."""
    head, *rest = _LINE_END.split(_begun(payload), maxsplit=1)
    return statement_of(_type_of(head), *rest)


def event_of(payload: bytes) -> str | None:
    """The event in MSH-9.2, as far as it can be told from bytes; None where it cannot."""
    head = _LINE_END.split(_begun(payload), maxsplit=1)[0]
    parts = _type_of(head).split(head[4:5] or b"^") if head.startswith(_HEADER) else []
    event = parts[1].strip().decode("latin-1").upper() if parts[1:] else ""
    return event or None


def named(payload: bytes) -> Named | None:
    """What names a message that is sent again in mended form; None where that is not certain.

    It is the same control id of the same sender, event, time of the event, patient, visit and movement, each as
    sent. A control id alone is none: senders begin to count anew, and some write a constant.
    """
    lines = [line for line in _LINE_END.split(_begun(payload)) if line.strip()]
    separator = lines[0][3:4] if lines and lines[0].startswith(_HEADER) else b""
    if not separator:
        return None
    found: dict[bytes, list[bytes]] = {}
    for line in lines:
        fields = line.split(separator)
        if fields[0] in found and fields[0] in _NAMING:
            return None
        found[fields[0]] = fields
    said = {place: _at(found, *place) for place in _NAMES}
    is_certain = all(said[place] for place in _NEEDED)
    return Named(statement_of(b"named", _type_of(lines[0]), *said.values())) if is_certain else None


def _at(found: Mapping[bytes, Sequence[bytes]], segment: bytes, field: int) -> bytes:
    fields = found.get(segment, ())
    return fields[field].strip() if field < len(fields) else b""


def _begun(payload: bytes) -> bytes:
    return payload.removeprefix(BOM).lstrip(BLANK)


def _type_of(head: bytes) -> bytes:
    """MSH-9 as sent; the whole line where it is no header."""
    if not head.startswith(_HEADER) or not head[3:4]:
        return head
    fields = head.split(head[3:4], _TYPE_AT + 1)
    return fields[_TYPE_AT].strip() if fields[_TYPE_AT:] else b""
