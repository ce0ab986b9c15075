"""What is said of a code that the ward register does not know."""

from __future__ import annotations

from typing import Final

from adapters.common.outcome import Trouble

WARD_UNKNOWN: Final = "ward-unknown"


def ward_unknown(where: str) -> Trouble:
    """Nothing is guessed: the code gives no ward, and somebody must look."""
    detail = "the ward register has no such code for this source: add it or an alias"
    return Trouble(WARD_UNKNOWN, detail, where)
