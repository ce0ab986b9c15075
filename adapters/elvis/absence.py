"""Decides when a patient whom no scope lists any more has left.

Pure. Scopes export at different times, so nobody ever sees all wards at one moment: a patient who moves
is missing from the scope that was left before the other one lists them, for as long as its exports take,
are late or get lost. From the first export by which a patient is *missed* (listed by no scope any more), a
*round* is over when every scope has exported later than the round before. The patient is gone when

* two rounds are over, or four if a scope was silent meanwhile for longer than ``SILENT_INTERVALS`` of its
  intervals: while it is, whoever passes through is not seen; and
* every scope has exported more than the grace after the first export that missed the patient.

Only exports count in which every row's patient could be read. With one scope there is nowhere to move to:
the first export without the patient is enough, and the grace if one is set.

What this promises. Nobody is taken to have left who moved once or twice since they were last listed, in
whatever phase the exports are and however many of them are lost or late; nor whoever stays in each
scope for as long as a scope may be silent, however often they move; nor whoever is on the way for less than
the grace. And whoever has left is told to have left at the latest twice the longest interval and the grace
later, where each scope keeps its interval; elsewhere with the fifth export of the slowest scope, or the
first after the grace.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Final

from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import PatientState, ScopeState, is_later

SILENT_INTERVALS: Final = 1.5
"""Less than two, or one lost export would not be seen; more than one, for no clock is exact."""

NEVER: Final = ScopeState(sequence=0, whole=0, resumed=0, file="", wards=())
"""A scope that has not exported yet."""

_ROUNDS: Final = 2
_ROUNDS_AFTER_SILENCE: Final = 4


class Absence(Enum):
    """What the exports so far say of a patient whom no scope lists."""

    OPEN = auto()
    ROUND_OVER = auto()
    GONE = auto()


def is_silence(before: ScopeState, sequence: int, interval_s: int) -> bool:
    """Whether a scope had exported nothing that counts for too long before this export."""
    return is_later(sequence, before.whole, round(interval_s * SILENT_INTERVALS))


def scopes_asked(scopes: Mapping[str, ScopeState], settings: ElvisSettings) -> list[ScopeState]:
    """Every scope of the source; one that has never exported keeps every visit open."""
    named = [scope.name for scope in settings.scopes] or list(scopes)
    return [scopes.get(name, NEVER) for name in named]


def judged(patient: PatientState, asked: Collection[ScopeState], grace_s: int) -> Absence:
    """How far it has come. ROUND_OVER is said once: the next round is waited for then."""
    if not all(_has_spoken(scope, patient) for scope in asked):
        return Absence.OPEN
    has_one = len(asked) == 1
    if not has_one and patient.rounds < _rounds_asked(patient, asked):
        return Absence.ROUND_OVER
    has_passed = not grace_s or all(is_later(one.whole, patient.missed, grace_s) for one in asked)
    return Absence.GONE if has_passed else Absence.OPEN


def _has_spoken(scope: ScopeState, patient: PatientState) -> bool:
    """Since the last round; in the first one the export that missed the patient is its scope's word."""
    is_the_export = patient.rounds == 0 and scope.whole == patient.missed
    return is_the_export or is_later(scope.whole, patient.round_at)


def _rounds_asked(patient: PatientState, asked: Collection[ScopeState]) -> int:
    was_silent = any(scope.resumed > patient.missed for scope in asked)
    # the last round is the one that is over now
    return (_ROUNDS_AFTER_SILENCE if was_silent else _ROUNDS) - 1
