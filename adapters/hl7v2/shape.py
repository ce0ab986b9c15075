"""Checks the form of a text before it is split into segments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from adapters.hl7v2.errors import SeveralMessagesError, TooManyPartsError
from adapters.hl7v2.limits import MAX_FIELDS, MAX_SEGMENTS

_ANOTHER_MSH: Final = re.compile(r"[\x00- \x85\ufeff\u2028]*MSH(?![A-Za-z0-9])")


def check_lines(text: str) -> None:
    """Before it is split into lines. A segment ends in two signs at most."""
    if len(text) > MAX_SEGMENTS and text.count("\r") + text.count("\n") > 2 * MAX_SEGMENTS:
        raise TooManyPartsError(f"more than {MAX_SEGMENTS} segments", "MSH")


def check_fields(lines: Sequence[str], separator: str) -> None:
    """Before any of them is split into fields."""
    if len(lines) > MAX_SEGMENTS:
        raise TooManyPartsError(f"more than {MAX_SEGMENTS} segments", "MSH")
    if max(map(len, lines)) <= MAX_FIELDS:  # nearly always
        return
    for number, line in enumerate(lines, 1):
        if line.count(separator) > MAX_FIELDS:
            raise TooManyPartsError(f"segment {number} has more than {MAX_FIELDS} fields")


def check_single(lines: Sequence[str], header: str) -> None:
    """``header``: how the MSH begins; there is "MSH" somewhere behind it."""
    for number, line in enumerate(lines, 1):
        if "MSH" not in line:
            continue
        if header in line[1:] or (number > 1 and _ANOTHER_MSH.match(line)):
            told = (
                f"in segment {number} another MSH begins: send each message in a frame of its own"
            )
            raise SeveralMessagesError(told, "MSH[2]")


def has_odd_line(text: str, separator: str) -> bool:
    """Whether a line behind a CR does not begin as a segment does: asked of every message, so in one look."""
    return _odd_lines(separator).search(text) is not None


@lru_cache(maxsize=64)
def _odd_lines(separator: str) -> re.Pattern[str]:
    return re.compile(rf"\r(?![A-Z][A-Z0-9]{{2}}{re.escape(separator)})[^\r]")
