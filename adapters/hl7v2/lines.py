"""Finds where the lines of a message begin in undecoded bytes.

What may stand between a line end and a segment's name: blanks, control characters, and a mark of the byte
order where files were joined. Looked at from the name backwards, a bounded way: looked at from each line end
forwards, a file of nothing but line ends would take the square of its length.
"""

from __future__ import annotations

import re
from typing import Final

MOST_MARKS_BYTES: Final = 64
_MARKS: Final = re.compile(rb"(?:\A|[\r\n\x0b\x0c\x1c])(?:[\x00-\x20]|\xef\xbb\xbf)*\Z")


def line_before(content: bytes, at: int) -> int | None:
    """Where what is before the line ends, if a line begins at this position; None if it is within one."""
    before = content[max(0, at - MOST_MARKS_BYTES) : at]
    found = _MARKS.search(before)
    return None if found is None else at - len(before) + found.start()
