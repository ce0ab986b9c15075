"""Troubles of a ward code that does not resolve to a ward."""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from schemas.ward import Unresolved

WARD_UNKNOWN: Final = "ward-unknown"
WARD_AMBIGUOUS: Final = "ward-ambiguous"
WARD_ELSEWHERE: Final = "ward-elsewhere"
NAMES_A_WARD: Final = frozenset({WARD_UNKNOWN, WARD_AMBIGUOUS, WARD_ELSEWHERE})
"""Troubles of a place that does name a ward; which one cannot be told."""

_UNKNOWN: Final = "the ward register has no such code for this source: add it or an alias"
_AMBIGUOUS: Final = (
    "several wards have this code, and the place does not tell which facility it is of: "
)
_ELSEWHERE: Final = (
    "the ward register has this code, but not for the facility that the place gives: write the "
    "facility into the alias (CODE@FACILITY) or the register's column `facility:`, or, where it does "
    "not tell hospitals apart, "
)


class FacilityAdvice(NamedTuple):
    """What to do in the settings of a feed where it does not tell facilities, and where it should not."""

    to_tell: str
    to_leave_out: str


BY_PROFILE: Final = FacilityAdvice(
    "set in the feed's profile where its places tell it, or a `default_facility`",
    "switch it off in the feed's profile",
)


def unresolved(why: Unresolved, where: str, advice: FacilityAdvice = BY_PROFILE) -> Trouble:
    """Nothing is guessed: the code gives no ward, and somebody must look."""
    match why:
        case Unresolved.UNKNOWN:
            return Trouble(WARD_UNKNOWN, _UNKNOWN, where)
        case Unresolved.AMBIGUOUS:
            return Trouble(WARD_AMBIGUOUS, _AMBIGUOUS + advice.to_tell, where)
        case Unresolved.ELSEWHERE:
            return Trouble(WARD_ELSEWHERE, _ELSEWHERE + advice.to_leave_out, where)


def ward_unknown(where: str) -> Trouble:
    """The register does not have the code at all."""
    return unresolved(Unresolved.UNKNOWN, where)
