"""What a ward may want to know beside its list, from the census: where from, and who will leave.

Invariants: a ward is told what the source says that is believed for it, and nothing of a view that does
not itself mean the patient for the ward, as one that is behind does; of a protected person nothing. Only
the event loop's thread touches it. It holds the few parts of a view that are shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from bus.port import Stored
from router.core.keys import joined
from schemas.authority import Authority
from schemas.encounter import EncounterView, Phase
from schemas.notification import DesignationData
from schemas.observation import Protection
from schemas.ward import WardRegister

Believed = Callable[[str], str | None]


def believed_by(
    realms: Iterable[tuple[Authority, Collection[str]]],
    register: WardRegister,
    now: Callable[[], datetime],
) -> Believed:
    """Who is believed for a ward when it is asked: by the realm of its hospital, and by one only.

    ``realms``: each timeline with its hospitals, none for any.
    """
    known = tuple(realms)

    def believed(ward: str) -> str | None:
        at, hospital = now(), register.hospital_of(ward)
        own = [line for line, hospitals in known if not hospitals or hospital in hospitals]
        return own[0].believed(ward, hospital, at) if len(own) == 1 else None

    return believed


class Stay(NamedTuple):
    """A view, as far as it is of use here."""

    source: str
    patient: str
    lies_at: str | None
    on_leave: bool | None
    comes_to: str | None
    leaves_at: datetime | None
    is_masked: bool


class Census:
    """Every visit that is not over. ``believed`` tells the source believed for a ward, now."""

    def __init__(self, believed: Believed) -> None:
        self._believed = believed
        self._stays: dict[str, Stay] = {}
        self._leaving: defaultdict[str, set[str]] = defaultdict(set)

    def set_row(self, row: Stored) -> None:
        """Take a row of topic ``encounters`` in."""
        key = row.key or ""
        before = self._stays.pop(key, None)
        if before is not None and before.lies_at is not None:
            self._leaving[before.lies_at].discard(key)
        stay = _stay(row.value) if row.value is not None else None
        if stay is None:
            return
        self._stays[key] = stay
        if stay.lies_at is not None and stay.leaves_at is not None:
            self._leaving[stay.lies_at].add(key)

    def patient(self, row: DesignationData) -> str | None:
        """The key of whom the row is about."""
        stay = self._stay_of(row)
        return stay.patient if stay else None

    def beside(self, row: DesignationData) -> Stay | None:
        """What a ward may be told of who is coming to it."""
        stay = self._stay_of(row)
        if stay is None or stay.is_masked or row.protected or stay.comes_to != row.ward:
            return None
        return stay if self._believed(row.ward) == stay.source else None

    def leaving(self, ward: str) -> list[datetime]:
        """When those lying at the ward are planned to leave it, the earliest first."""
        stays = [self._stays[key] for key in self._leaving.get(ward, ())]
        believed = self._believed(ward)
        return sorted(s.leaves_at for s in stays if s.leaves_at and s.source == believed)

    def _stay_of(self, row: DesignationData) -> Stay | None:
        return self._stays.get(joined(row.visit.source, row.visit.visit))


def _stay(value: bytes) -> Stay | None:
    view = EncounterView.model_validate_json(value)
    if view.phase not in {Phase.PLANNED, Phase.ACTIVE}:
        return None
    comes = view.mark is not None and not view.mark.fulfilled
    return Stay(
        view.source,
        view.patient,
        view.place.ward if view.place else None,
        view.on_leave,
        view.mark.to.ward if view.mark and comes else None,
        view.planned_discharge_at,
        view.protection is not Protection.NONE,
    )
