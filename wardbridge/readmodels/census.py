"""Read model of topic ``encounters`` for wards: where patients come from, who lies there, planned discharges.

Invariant: a ward is told what the source says that is believed for it, and nothing of a view that does not
itself mean the patient for the ward, as one that is behind does. Only the event loop's thread touches it. It
holds the few parts of a view that are shown, and of a visit that is over, until the view is forgotten, only
whose it was: a ward is still told that they do not come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Final, NamedTuple

from bus.port import Stored
from router.core.keys import joined
from schemas.authority import Authority
from schemas.base import VisitRef
from schemas.encounter import EncounterView, Phase
from schemas.notification import DesignationData
from schemas.observation import Protection
from schemas.ward import WardRegister
from wardbridge.readmodels.aliases import Aliases

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


_NO_PLACE_HELD: Final = frozenset({"O", "P"})
"""Classes (HL7 table 0004) of who is not admitted: outpatients, and those who are yet to come."""


class Stay(NamedTuple):
    """A view, as far as it is of use here."""

    source: str
    patient: str
    lies_at: str | None
    holds_place: bool
    on_leave: bool | None
    comes_to: str | None
    leaves_at: datetime | None


class Presence(NamedTuple):
    """How many patients hold a place on a ward, and of these how many are on leave and will leave.

    ``told_at``: when the source last said anything, of whomever.
    """

    patients: int
    on_leave: int
    leaving: int
    told_at: datetime


class Whose(NamedTuple):
    """Whom a visit is about."""

    patient: str
    is_masked: bool


class Census:
    """Every visit. ``believed`` tells the source believed for a ward, now.

    ``aliases``: whose each number is, by the router's decision.
    """

    def __init__(self, believed: Believed, aliases: Aliases | None = None) -> None:
        self.aliases = aliases or Aliases()
        self._believed = believed
        self._stays: dict[str, Stay] = {}
        self._whose: dict[str, Whose] = {}
        self._masked: Counter[str] = Counter()
        self._lying: defaultdict[str, set[str]] = defaultdict(set)
        self._placed: Counter[str] = Counter()
        self._told_at: dict[str, datetime] = {}

    def set_row(self, row: Stored) -> set[str]:
        """Take a row of topic ``encounters`` in; the wards where something may be different.

        Raises ValueError for one that cannot be read, and then nothing has changed.
        """
        key = row.key or ""
        view = None if row.value is None else EncounterView.model_validate_json(row.value)
        wards = {self._leave(key), self._enter(key, view) if view is not None else None}
        return {ward for ward in wards if ward is not None}

    def _leave(self, key: str) -> str | None:
        self._set_whose(key, None)
        before = self._stays.pop(key, None)
        if before is None or before.lies_at is None:
            return None
        self._lying[before.lies_at].discard(key)
        self._placed[before.source] -= before.holds_place
        return before.lies_at

    def _enter(self, key: str, view: EncounterView) -> str | None:
        self._told_at[view.source] = max(view.last_at, self._told_at.get(view.source, view.last_at))
        is_masked = view.protection is not Protection.NONE
        self._set_whose(key, Whose(view.patient, is_masked))
        stay = _stay(view)
        if stay is None:
            return None
        self._stays[key] = stay
        if stay.lies_at is not None:
            self._lying[stay.lies_at].add(key)
            self._placed[stay.source] += stay.holds_place
        return stay.lies_at

    def patient(self, row: DesignationData) -> str | None:
        """The key of whom the row is about."""
        return self.patient_of(row.visit)

    def patient_of(self, visit: VisitRef) -> str | None:
        """The key of whose visit it is."""
        whose = self._whose.get(joined(visit.source, visit.visit))
        return whose.patient if whose else None

    def is_masked(self, row: DesignationData) -> bool:
        """Whether the patient is protected, whichever visit and source says so."""
        whose = self._whose.get(_key(row))
        if whose is None:
            return False
        numbers = self.aliases.connected(row.realm, whose.patient)
        return any(self._masked[number] > 0 for number in numbers)

    def believed(self, ward: str) -> str | None:
        """The source that is believed for the ward now."""
        return self._believed(ward)

    def _set_whose(self, key: str, whose: Whose | None) -> None:
        before = self._whose.pop(key, None)
        if before is not None and before.is_masked:
            self._masked[before.patient] -= 1
            if not self._masked[before.patient]:
                del self._masked[before.patient]
        if whose is not None:
            self._whose[key] = whose
            self._masked.update([whose.patient] if whose.is_masked else ())

    def beside(self, row: DesignationData) -> Stay | None:
        """What a ward may be told of who is coming to it, unless they are protected."""
        stay = self._stays.get(_key(row))
        if stay is None or stay.comes_to != row.ward:
            return None
        return stay if self._believed(row.ward) == stay.source else None

    def leaving(self, ward: str) -> list[datetime]:
        """When those lying at the ward are planned to leave it, the earliest first."""
        stays = self._believed_stays(ward, self._believed(ward))
        return sorted(stay.leaves_at for stay in stays if stay.leaves_at)

    def presence(self, ward: str, leaving_before: datetime) -> Presence | None:
        """Who holds a place on the ward; None where the source believed for it places nobody anywhere.

        Who is on leave holds the place (DOMAIN: permission), and a patient of two visits holds one.
        """
        source = self._believed(ward)
        if source is None or not self._placed[source]:
            return None
        held = [stay for stay in self._believed_stays(ward, source) if stay.holds_place]
        stays = {self.aliases.patient_of(source, stay.patient): stay for stay in held}.values()
        return Presence(
            len(stays),
            sum(stay.on_leave is True for stay in stays),
            sum(stay.leaves_at is not None and stay.leaves_at < leaving_before for stay in stays),
            self._told_at[source],
        )

    def _believed_stays(self, ward: str, source: str | None) -> list[Stay]:
        stays = [self._stays[key] for key in sorted(self._lying.get(ward, ()))]
        return [stay for stay in stays if stay.source == source]


def _key(row: DesignationData) -> str:
    return joined(row.visit.source, row.visit.visit)


def _stay(view: EncounterView) -> Stay | None:
    if view.phase not in {Phase.PLANNED, Phase.ACTIVE}:
        return None
    comes = view.mark is not None and not view.mark.fulfilled
    return Stay(
        view.source,
        view.patient,
        view.place.ward if view.place else None,
        view.place is not None
        and view.phase is Phase.ACTIVE
        and view.visit_class not in _NO_PLACE_HELD,
        view.on_leave,
        view.mark.to.ward if view.mark and comes else None,
        view.planned_discharge_at,
    )
