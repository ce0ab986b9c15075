"""Who is coming: the read model of topic ``patients``, for readers with identified fields only.

Invariants: the descriptions of a patient are folded in the order of their stamps, field by field, so that
the order in which they come decides nothing. What the visit's own source says goes before what others say
of the same patient. The visit's own source's merges are followed; what leads in a circle is nobody. Where
nothing is known, nothing is shown. Only the event loop's thread touches it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bus.port import Stored
from schemas.fields import Identity
from schemas.observation import Protection
from schemas.patient import PatientRow, patient_row


class Identities:
    """Everybody of whom a visit is planned or open, and some more."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, dict[str, PatientRow]] = defaultdict(dict)
        self._merged: defaultdict[str, set[str]] = defaultdict(set)
        """By who remains, the numbers that ceased. One that is forgotten stays: it has no rows then."""

    def set_row(self, row: Stored) -> None:
        """Take a row in, or that it is forgotten."""
        key = row.key or ""
        patient = key.partition("|")[0]
        said = None if row.value is None else patient_row(row.value)
        if said is None:
            self._forget(patient, key)
            return
        before = self._rows[patient].get(key)
        if before is None or _order(before) < _order(said):
            self._rows[patient][key] = said
            if said.merged_into:
                self._merged[said.merged_into].add(patient)

    def _forget(self, patient: str, key: str) -> None:
        self._rows[patient].pop(key, None)
        if not self._rows[patient]:
            del self._rows[patient]

    def identity(self, realm: str, source: str, patient: str) -> Identity | None:
        """Who the source means by this patient key."""
        remaining = self._remaining(realm, source, patient)
        rows = [row for row in self._of(realm, remaining) if row.merged_into is None]
        return _folded(rows, source) if rows else None

    def means(self, realm: str, source: str, patient: str) -> bool:
        """Whether the source has said anything of this patient key itself."""
        return any(row.source == source for row in self._of(realm, patient))

    def is_marked(self, realm: str, patient: str) -> bool:
        """Whether by any source's newest word of any number that is theirs the patient is protected."""
        newest: dict[tuple[str, str], PatientRow] = {}
        for key in self._numbers(realm, patient):
            for row in self._of(realm, key):
                before = newest.get((key, row.source))
                if row.protection and (before is None or _order(before) < _order(row)):
                    newest[key, row.source] = row
        return any(row.protection is not Protection.NONE for row in newest.values())

    def _numbers(self, realm: str, patient: str) -> list[str]:
        """All that were ever merged with one another, by whichever source."""
        found = [patient]
        for key in found:
            others = {row.merged_into for row in self._of(realm, key) if row.merged_into}
            found += sorted((others | self._merged.get(key, set())).difference(found))
        return found

    def _remaining(self, realm: str, source: str, patient: str) -> str | None:
        """The patient that a number stands for now."""
        seen: set[str] = set()
        while patient not in seen:
            seen.add(patient)
            merges = [
                row for row in self._of(realm, patient) if row.merged_into and row.source == source
            ]
            if not merges:
                return patient
            patient = max(merges, key=_order).merged_into or patient
        return None

    def _of(self, realm: str, patient: str | None) -> Iterable[PatientRow]:
        rows = self._rows.get(patient or "", {}).values()
        return [row for row in rows if row.realm == realm]


def _folded(rows: list[PatientRow], source: str) -> Identity:
    rows.sort(key=lambda row: (row.source == source, _order(row)))
    number = rows[-1].number
    said: dict[str, Any] = {}
    for row in rows:
        said |= {name: getattr(row.person, name) for name in row.person.model_fields_set}
    return Identity(number=number.value, kind=number.kind, assigner=number.assigner, **said)


def _order(row: PatientRow) -> tuple[datetime, int, datetime, int, str]:
    stamp = row.stamp
    return (stamp.at, stamp.sequence, stamp.received_at, stamp.rank, row.id)
