"""What is said of a ward code that gives no ward."""

from __future__ import annotations

from typing import Final

from adapters.common.outcome import Trouble
from schemas.ward import Unresolved

WARD_UNKNOWN: Final = "ward-unknown"
WARD_AMBIGUOUS: Final = "ward-ambiguous"
WARD_ELSEWHERE: Final = "ward-elsewhere"
NAMES_A_WARD: Final = frozenset({WARD_UNKNOWN, WARD_AMBIGUOUS, WARD_ELSEWHERE})
"""Troubles of a place that does name a ward; which one cannot be told."""

_UNKNOWN: Final = "the ward register has no such code for this source: add it or an alias"
_AMBIGUOUS: Final = (
    "several wards have this code, and the place does not tell which facility it is of: set in the "
    "feed's profile where its places tell it, or a `default_facility`"
)
_ELSEWHERE: Final = (
    "the ward register has this code, but not for the facility that the place gives: write the "
    "facility into the alias (CODE@FACILITY) or the register's column `facility:`, or, where it does "
    "not tell hospitals apart, switch it off in the feed's profile"
)
_SAID: Final = {
    Unresolved.UNKNOWN: (WARD_UNKNOWN, _UNKNOWN),
    Unresolved.AMBIGUOUS: (WARD_AMBIGUOUS, _AMBIGUOUS),
    Unresolved.ELSEWHERE: (WARD_ELSEWHERE, _ELSEWHERE),
}


def unresolved(why: Unresolved, where: str) -> Trouble:
    """Nothing is guessed: the code gives no ward, and somebody must look."""
    reason, detail = _SAID[why]
    return Trouble(reason, detail, where)


def ward_unknown(where: str) -> Trouble:
    """The register does not have the code at all."""
    return unresolved(Unresolved.UNKNOWN, where)
