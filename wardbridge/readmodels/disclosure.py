"""What may be told of a patient beside a notice, at each level of fields.

Invariant: it is the one place where a name leaves the read models, and below ``identified`` none does.
Only the event loop's thread touches it.
"""

from __future__ import annotations

from collections.abc import Iterable

from bus.port import Stored
from schemas.fields import Beside, Details, Identity, Level, reaches
from schemas.notification import DesignationData, Kind, Reason
from schemas.ward import WardRegister
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.identities import Identities
from wardbridge.readmodels.readable import Readable


class Disclosure:
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

    def take(
        self,
        encounters: Iterable[Stored],
        patients: Iterable[Stored],
        aliases: Iterable[Stored] = (),
        *,
        readable: Readable | None = None,
    ) -> set[str]:
        """Take rows of the topics in; the wards where something may be different."""
        each = (readable or Readable()).each
        each(self.census.aliases.set_row, aliases)
        if self._identities is not None:
            each(self._identities.set_row, patients)
        return set().union(*each(self.census.set_row, encounters))

    def beside(self, row: DesignationData, level: Level) -> Beside:
        """What may be told beside a notice, or an entry of a list, by now."""
        if not reaches(level, "operational"):
            return Beside(level=level)
        is_identified = reaches(level, "identified")
        is_protected = row.protected or self._is_protected(row)
        return Beside(
            level=level,
            details=self._details(row) if is_identified or not is_protected else None,
            patient=self._identity(row) if is_identified else None,
            protected=is_protected,
        )

    def _is_protected(self, row: DesignationData) -> bool:
        """Whether anything that is known of the patient says so, also since."""
        patient, names = self.census.patient(row), self._identities
        is_marked = names is not None and patient and names.is_marked(row.realm, patient)
        return bool(is_marked) or self.census.is_masked(row)

    def _details(self, row: DesignationData) -> Details | None:
        stay = self.census.beside(row)
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
        patient, names = self.census.patient(row), self._identities
        if names is None or patient is None:
            return None
        return names.identity(row.realm, self._source_of(row, patient, names), patient)

    def _source_of(self, row: DesignationData, patient: str, names: Identities) -> str:
        """Who is asked whom the visit's source means.

        The one that is believed for the ward, if it knows the patient: the merge of another names nobody
        there. What a source loses it takes back under the number that it told.
        """
        own, believed = row.visit.source, self.census.believed(row.ward)
        is_lost = row.kind is Kind.WITHDRAWN and row.reason is Reason.AUTHORITY_MOVED
        if is_lost or believed is None or not names.means(row.realm, believed, patient):
            return own
        return believed
