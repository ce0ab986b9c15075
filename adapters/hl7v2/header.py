"""Reads the MSH of a message that cannot be parsed, as far as an acknowledgement needs it.

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
from adapters.hl7v2.lines import line_before
from adapters.hl7v2.reader import DEFAULT, Message

BYTES: Final = "latin-1"  # gives each byte back as it came
MOST_ASKED: Final = 20
"""Fields of the MSH of a message that cannot be read; an answer repeats none behind them."""

_NOT_READ: Final = Trouble(
    "charset-unreadable", "nobody has looked whether it is as declared", "MSH-18"
)
WITHIN_BYTES: Final = 65_536
"""Of what is no message, in which an MSH is looked for: the headers of a batch have room before it."""

_NAME: Final = re.compile(rb"MSH")
_ANYWHERE: Final = re.compile(rb"MSH([!-/:-@\[-`{-~])[!-~]{1,8}\1")
_LINE_END: Final = re.compile(rb"[\r\n]")
_UTF_16: Final = {b"M\x00S\x00H\x00": "utf-16-le", b"\x00M\x00S\x00H": "utf-16-be"}


def header_of(payload: bytes) -> Message | None:
    """A message of nothing but its MSH; None where there is none."""
    for mark, codec in _UTF_16.items():
        if 0 <= (at := payload[:HEAD_BYTES].find(mark)) <= len(mark):
            line = payload[at : at + HEAD_BYTES].decode(codec, "ignore")
            return _of_line(line.partition("\r")[0].partition("\n")[0], codec)
    place = _place(payload[:WITHIN_BYTES])
    if place is None:
        return None
    begun = payload[place : place + HEAD_BYTES]
    return _of_line(_LINE_END.split(begun, maxsplit=1)[0].decode(BYTES), BYTES)


def _place(payload: bytes) -> int | None:
    """Where MSH is: at the beginning of a line, or else with its delimiters anywhere."""
    for found in _NAME.finditer(payload):
        if line_before(payload, found.start()) is not None:
            return found.start()
    anywhere = _ANYWHERE.search(payload)
    return anywhere and anywhere.start()


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
