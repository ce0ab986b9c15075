"""The MSH of bytes that are no message that can be read: as much as it takes to answer them.

Invariant: total. MSH-10 is found wherever a line begins with MSH, or else anything with its delimiters,
whatever the character set is, and goes back in the bytes in which it came.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.common.outcome import Trouble
from adapters.hl7v2 import reader
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.limits import HEAD_BYTES
from adapters.hl7v2.reader import DEFAULT, Message

BYTES: Final = "latin-1"  # gives each byte back as it came
MOST_ASKED: Final = 20  # fields that an answer repeats
_NOT_READ: Final = Trouble(
    "charset-unreadable", "nobody has looked whether it is as declared", "MSH-18"
)
_LINE: Final = re.compile(rb"(?:\A|[\r\n\x0b\x1c])[\x00-\x20\xef\xbb\xbf]*(MSH[^\r\n]*)")
_ANYWHERE: Final = re.compile(rb"(MSH([!-/:-@\[-`{-~])[!-~]{1,8}\2[^\r\n]*)")
_UTF_16: Final = {b"M\x00S\x00H\x00": "utf-16-le", b"\x00M\x00S\x00H": "utf-16-be"}


def header_of(payload: bytes) -> Message | None:
    """A message of nothing but its MSH; None where there is none."""
    for mark, codec in _UTF_16.items():
        if 0 <= (at := payload[:HEAD_BYTES].find(mark)) <= len(mark):
            line = payload[at : at + HEAD_BYTES].decode(codec, "ignore")
            return _of_line(line.partition("\r")[0].partition("\n")[0], codec)
    found = _LINE.search(payload) or _ANYWHERE.search(payload)
    return found and _of_line(found[1][:HEAD_BYTES].decode(BYTES), BYTES)


def _of_line(line: str, codec: str) -> Message | None:
    separator = line[3:4]
    if not separator:
        return None
    _, marks, *fields = [*line.split(separator, MOST_ASKED), ""]
    try:
        delimiters = reader.delimiters_of(separator, marks[: reader.MAX_DELIMITERS + 1])
    except Hl7Error:  # answered with the usual ones, that no value may hold
        delimiters, separator, marks = DEFAULT, DEFAULT.field, "".join(DEFAULT[1:])
        fields = [field.replace(separator, " ") for field in fields]
    return Message([separator.join(("MSH", marks, *fields))], delimiters, codec, _NOT_READ)
