"""What is known of who comes to a ward, as far as each level of fields is told: for lists and for subscribers.

Invariant: it is the one place where a name leaves the read models, and below ``identified`` none does.
Only the event loop's thread touches it.
"""

from __future__ import annotations

from collections.abc import Iterable

from bus.port import Stored
from schemas.fields import Beside, Details, Identity, Level, reaches
from schemas.notification import DesignationData
from schemas.ward import WardRegister
from wardbridge.fields.census import Census
from wardbridge.fields.identities import Identities


class Known:
    """``identities``: where names are kept and somebody may see them, else none."""

    def __init__(
        self, census: Census, register: WardRegister, identities: Identities | None = None
    ) -> None:
        self.census = census
        self._identities = identities
        self._register = register

    @property
    def has_names(self) -> bool:
        """Whether anybody's name can be known."""
        return self._identities is not None

    def take(self, encounters: Iterable[Stored], patients: Iterable[Stored]) -> set[str]:
        """Take rows of both topics in; the wards where something may be different."""
        if self._identities is not None:
            for row in patients:
                self._identities.set_row(row)
        return set().union(*map(self.census.set_row, encounters))

    def beside(self, row: DesignationData, level: Level) -> Beside:
        """What may be told beside a notice, or an entry of a list, by now."""
        if not reaches(level, "operational"):
            return Beside(level=level)
        is_identified = reaches(level, "identified")
        return Beside(
            level=level,
            details=self._details(row, shows_protected=is_identified),
            patient=self._identity(row) if is_identified else None,
            protected=row.protected or self.census.is_masked(row),
        )

    def _details(self, row: DesignationData, *, shows_protected: bool) -> Details | None:
        stay = self.census.beside(row, shows_protected=shows_protected)
        if stay is None:
            return None
        ward = self._register.wards.get(stay.lies_at or "")
        return Details(
            from_ward=stay.lies_at,
            from_name=ward.name if ward else None,
            from_hospital=ward.hospital if ward else None,
            on_leave=stay.on_leave,
            planned_discharge_at=stay.leaves_at,
        )

    def _identity(self, row: DesignationData) -> Identity | None:
        """As the source says it that is believed for the ward: another's merge names nobody there."""
        patient = self.census.patient(row)
        if self._identities is None or patient is None:
            return None
        source = self.census.believed(row.ward) or row.visit.source
        return self._identities.identity(row.realm, source, patient)
