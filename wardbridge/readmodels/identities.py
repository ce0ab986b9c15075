"""Read model of topic ``patients``: names and numbers, for readers with identified fields only.

Invariants: the descriptions of a patient are folded in the order of their stamps, field by field, so that
the order in which they come decides nothing. What the visit's own source says goes before what others say
of the same patient. Which descriptions are the patient's, the router has decided (``aliases``): those under any
number of whom the visit's own source means, and not those of a patient that has ceased. Where nothing is
known, nothing is shown. Only the event loop's thread touches it.
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
from wardbridge.readmodels.aliases import Aliases


class Identities:
    """Everybody of whom a visit is planned or open, and some more."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases
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

    def identity(self, realm: str, source: str, number: str) -> Identity | None:
        """Who the source means by this patient key."""
        patient = self._aliases.patient(realm, source, number)
        numbers = self._aliases.numbers(realm, source, patient)
        rows = [row for key in numbers for row in self._of(realm, key) if row.merged_into is None]
        return _folded(rows, source, patient) if rows else None

    def means(self, realm: str, source: str, patient: str) -> bool:
        """Whether the source has said anything of this patient, under this key or another of theirs."""
        numbers = {patient} | self._aliases.numbers(realm, source, patient)
        return any(row.source == source for key in numbers for row in self._of(realm, key))

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
        """All that were ever merged with one another, by whichever source: where it masks, doubt counts."""
        found = [patient]
        for key in found:
            others = {row.merged_into for row in self._of(realm, key) if row.merged_into}
            others |= self._merged.get(key, set()) | self._aliases.connected(realm, key)
            found += sorted(others.difference(found))
        return found

    def _of(self, realm: str, patient: str) -> Iterable[PatientRow]:
        rows = self._rows.get(patient, {}).values()
        return [row for row in rows if row.realm == realm]


def _folded(rows: list[PatientRow], source: str, patient: str) -> Identity:
    """``patient``: the number that they are mainly known by, which is shown."""
    rows.sort(key=lambda row: (row.source == source, _order(row)))
    mainly = [row for row in rows if row.patient == patient]
    number = (mainly or rows)[-1].number
    said: dict[str, Any] = {}
    for row in rows:
        said |= {name: getattr(row.person, name) for name in row.person.model_fields_set}
    return Identity(number=number.value, kind=number.kind, assigner=number.assigner, **said)


def _order(row: PatientRow) -> tuple[datetime, int, datetime, int, str]:
    stamp = row.stamp
    return (stamp.at, stamp.sequence, stamp.received_at, stamp.rank, row.id)
