"""Reads when an event took place, and when an event that lies ahead takes effect.

Source: HL7 v2.5.1 chapter 3, EVN-6 (event occurred); IHE PAM, ZBE-2 (start of the movement). Of 400
public movements every tenth was recorded before it occurred: a discharge at noon, told in the morning.

Invariant: what takes effect when follows from the message alone, not from its receipt, so that it
means the same whenever it arrives.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from adapters.hl7v2.case import Case
from adapters.hl7v2.fields import field_path
from adapters.hl7v2.movement import Zbe
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.stamp import recorded
from adapters.hl7v2.triggers import VisitEvent
from schemas.observation import Claims, What

FARTHEST_AHEAD: Final = timedelta(days=366)
"""Nobody plans a movement for longer: such a time stands for "unknown", or is a slip of the pen."""

_HAPPENS: Final = frozenset({What.ADMITTED, What.TRANSFERRED, What.TRACKED, What.DISCHARGED})


class OccurrenceReader:
    """Reads the times of one feed's events."""

    def __init__(self, profile: Hl7Profile) -> None:
        self._fields = tuple(map(field_path, profile.occurred))
        self._of_movement = tuple(sorted(self._fields, key=lambda path: path.segment != "ZBE"))
        self._skew = timedelta(seconds=profile.future_s)
        self._waits = profile.occurred_ahead == "planned"

    def read(
        self, case: Case, event: VisitEvent, zbe: Zbe | None, claims: Claims
    ) -> dict[str, object]:
        """The observation's times, by name; a movement told again says its own (ZBE-2) first."""
        again = zbe is not None and (zbe.historic or zbe.action == "update")
        found = case.filled(self._of_movement if again else self._fields)
        moment = case.moment(found[0]) if found else None
        if moment is None:
            return {}
        said: dict[str, object] = {"occurred_at": moment.at, "occurred_rule": moment.rule}
        ahead = moment.at - recorded(case).moment.at
        if ahead <= self._skew or not self._waits or not _may_wait(event, zbe, claims):
            return said
        if ahead > FARTHEST_AHEAD:
            if moment.at > case.received_at:
                detail = "more than a year ahead: read as what has happened"
                case.warn("time-far-ahead", detail, found[0].text if found else "")
            return said
        case.origins.note("takes_effect_at", moment.rule, "profile.occurred_ahead")
        return said | {"takes_effect_at": moment.at}


def _may_wait(event: VisitEvent, zbe: Zbe | None, claims: Claims) -> bool:
    """Whether it is a movement or a discharge; not the cancel of one, nor one of the past."""
    if zbe is not None and (zbe.action == "cancel" or zbe.historic):
        return False
    return event.what in _HAPPENS or (event.what is What.UPDATED and claims.says("place"))
