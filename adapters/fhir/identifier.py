"""Reads FHIR Identifiers of patients and visits, with their assigner.

Source: http://hl7.org/fhir/R4/datatypes.html#Identifier and #Period (a date's end includes the whole day).
What HL7 v2 says by CX-7 and CX-8 is said here by ``period`` and ``use``, and counts alike. A place, an
organisation or a doctor is called only by what is in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.identity import PatientNumber, assigner_names, number
from adapters.common.stamp import Moment
from adapters.fhir.element import Element
from adapters.fhir.times import read_time
from schemas.identifiers import IdentifierKind

_OID: Final = "urn:oid:"
_DATE_CHARS: Final = len("2026-03-02")
_FOR_A_WHILE: Final = frozenset({"temp", "secondary"})


class IdentifierReader:
    """Reads the Identifiers of one feed. ``aliases``: the profile's `assigners`."""

    def __init__(
        self, aliases: Mapping[str, str], kinds: Mapping[str, IdentifierKind], zone: str
    ) -> None:
        self._aliases = aliases
        self._kinds = kinds
        self._zone = ZoneInfo(zone)

    def assigners(self, identifier: Element) -> tuple[str, ...]:
        """The names of whoever gave it, best first; none for an identifier without a system.

        An OID is called as HL7 v2 calls it; the table may have it either way.
        """
        system = identifier.text("system")
        plain = system.removeprefix(_OID)
        return assigner_names((plain,) if plain == system else (plain, system), self._aliases)

    def number(self, identifier: Element, received_at: datetime) -> PatientNumber:
        """The patient's number, its validity judged by the receipt. Raises RefusedError."""
        codes = [coding.text("code") for coding in identifier.codings("type")]
        type_code = next(iter(codes), "")
        value, names = identifier.text("value"), self.assigners(identifier)
        found = number(value, names, type_code, self._kinds)
        if identifier.text("use") in _FOR_A_WHILE:
            found = found._replace(is_secondary=True)
        return found if self.is_valid(identifier, received_at) else found._replace(is_old=True)

    def is_valid(self, identifier: Element, received_at: datetime) -> bool:
        """Whether it is in use at the receipt."""
        return is_valid(identifier, received_at, self._zone)


def is_valid(identifier: Element, at: datetime, zone: ZoneInfo) -> bool:
    """Whether it is in use at a moment; a time that cannot be read limits nothing."""
    if identifier.text("use") == "old":
        return False
    period = identifier.element("period")
    if period is None:
        return True
    start, end = period.text("start"), period.text("end")
    return _compared(start, at, zone) <= 0 <= _compared(end, at, zone)


def _compared(text: str, at: datetime, zone: ZoneInfo) -> int:
    """-1 for a time before the moment, 1 for one after it, 0 for its day and for no time at all."""
    if not text[:4].isdecimal():
        return 0
    if len(text) <= _DATE_CHARS:
        day = at.astimezone(zone).date().isoformat()[: len(text)]
        return (text > day) - (text < day)
    found = read_time(text, "", zone)
    return (found.at > at) - (found.at < at) if isinstance(found, Moment) else 0
