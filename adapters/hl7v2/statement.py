"""What a message says, as sent: the same for a message that is sent again, whatever its header.

Told from the bytes, so that one which cannot be read has a statement too. MSH is left out but for
MSH-9: control id, times of sending and names of applications differ each time.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.common.review import statement_of
from adapters.hl7v2.reader import BLANK, BOM

_LINE_END: Final = re.compile(rb"[\r\n]")
_HEADER: Final = b"MSH"
_TYPE_AT: Final = 8  # MSH-9: MSH-1 is the separator itself


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


def _begun(payload: bytes) -> bytes:
    return payload.removeprefix(BOM).lstrip(BLANK)


def _type_of(head: bytes) -> bytes:
    """MSH-9 as sent; the whole line where it is no header."""
    if not head.startswith(_HEADER) or not head[3:4]:
        return head
    fields = head.split(head[3:4], _TYPE_AT + 1)
    return fields[_TYPE_AT].strip() if fields[_TYPE_AT:] else b""
