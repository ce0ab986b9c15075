"""Reads the patient of a message: the repetitions of PID-3 (or MRG-1).

Source: HL7 v2.5.1 chapter 2A, CX (``adapters.hl7v2.cx``). Which of the numbers is the patient's:
``adapters.common.identity``. MRG-1 is a list of prior numbers, any of which tells who ceases.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.identity import (
    MAX_IDENTIFIERS,
    PATIENT_UNREADABLE,
    Identified,
    IdentitySettings,
    PatientNumber,
    ceasing_patient_of,
    doubts,
    number,
    patient_of,
)
from adapters.common.keys import SourceKeyer
from adapters.common.outcome import Trouble
from adapters.hl7v2.case import doubt_of
from adapters.hl7v2.cx import Cx, read_cx
from adapters.hl7v2.limits import MAX_REPETITIONS
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.reader import Segment

TOO_MANY: Final = f"more than {MAX_REPETITIONS} repetitions: no patient has so many numbers"
_DAY: Final = "%Y%m%d"
_PRIOR: Final = "MRG"


class Hl7PatientReader:
    """Reads patients of one feed."""

    def __init__(self, profile: Hl7Profile, keyer: SourceKeyer) -> None:
        self._settings: IdentitySettings = profile.patient
        self._aliases: Mapping[str, str] = profile.assigners
        self._zone = ZoneInfo(profile.zone)
        self._keyer = keyer

    def read(
        self, segment: Segment, field: int, where: str, received_at: datetime
    ) -> tuple[Identified | Trouble, list[Trouble]]:
        """The patient, or why there is none; and what is doubtful about the numbers.

        A number's dates are judged by the receipt.
        """
        if segment.repeats_too_often(field):
            return Trouble(PATIENT_UNREADABLE, TOO_MANY, where), []
        read = (read_cx(segment, each, self._aliases) for each in segment.repetitions(field))
        given = islice(filter(None, read), MAX_IDENTIFIERS + 1)  # one too many is told as such
        numbers = [self._number(each, received_at) for each in given]
        for each in numbers:
            if doubt := _doubt_of(each, where):
                return doubt, []
        choose = ceasing_patient_of if segment.fields[0] == _PRIOR else patient_of
        found = choose(numbers, self._settings, self._keyer, where)
        return found, doubts(numbers, where)

    def _number(self, cx: Cx, received_at: datetime) -> PatientNumber:
        found = number(cx.number, cx.assigners, cx.type, self._settings.kinds)
        if not (cx.effective or cx.expires):  # nearly always
            return found
        day = received_at.astimezone(self._zone).strftime(_DAY)
        return found if cx.is_valid_on(day) else found._replace(is_old=True)


def _doubt_of(each: PatientNumber, where: str) -> Trouble | None:
    """Why a number must not leave this adapter, if so."""
    number, assigner = each.identifier.value, each.identifier.assigner or ""
    return doubt_of(number, where, PATIENT_UNREADABLE) or doubt_of(
        assigner, where, PATIENT_UNREADABLE
    )
