"""The visit of an Encounter: an identifier with its assigner, or the logical id.

Source: http://hl7.org/fhir/R4/encounter.html; the official v2-to-FHIR mapping puts PV1-19 there.
"""

from __future__ import annotations

from datetime import datetime

from adapters.common.visits import VisitNumber, visit_id
from adapters.fhir.element import Element
from adapters.fhir.identifier import IdentifierReader
from adapters.fhir.profile import FhirProfile
from adapters.fhir.refusal import ResourceRefusedError


class VisitReader:
    """Reads the visits of one feed."""

    def __init__(self, profile: FhirProfile) -> None:
        self._key = profile.visit
        self._identifiers = IdentifierReader(profile.assigners, {}, profile.zone)

    def read(self, encounter: Element, received_at: datetime) -> VisitNumber:
        """The visit's id, and its number as sent. Raises RefusedError."""
        where = f"{encounter.path}.{self._key.by}"
        if self._key.by == "id":
            number = encounter.text("id")
            found = {VisitNumber(visit_id(number, None), number, where)} if number else set()
        else:
            found = self._by_identifier(encounter, where, received_at)
        if not found:
            detail = "the feed's visit key is not there: nothing tells which stay it is about"
            raise ResourceRefusedError("visit-missing", detail, where)
        if len(found) > 1:
            detail = "several identifiers could be the visit's: name its system in the profile"
            raise ResourceRefusedError("visit-ambiguous", detail, where)
        return found.pop()

    def _by_identifier(
        self, encounter: Element, where: str, received_at: datetime
    ) -> set[VisitNumber]:
        """The numbers that may be the visit's: those in use, if any is."""
        given = [each for each in encounter.elements("identifier") if self._is_key(each)]
        in_use = [each for each in given if self._identifiers.is_valid(each, received_at)]
        return {self._number(each, where) for each in in_use or given}

    def _is_key(self, identifier: Element) -> bool:
        key = self._key
        return (
            bool(identifier.text("value"))
            and (key.system is None or identifier.uri("system") == key.system)
            and (key.type is None or identifier.has_code("type", key.type))
        )

    def _number(self, identifier: Element, where: str) -> VisitNumber:
        number, names = identifier.text("value"), self._identifiers.assigners(identifier)
        assigner = names[0] if names else self._key.assigner
        return VisitNumber(visit_id(number, assigner), number, where)
