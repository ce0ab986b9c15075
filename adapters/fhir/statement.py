"""One Encounter in its input: the resource, its path, and what it may refer to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.fhir.element import Element
from adapters.fhir.identifier import is_valid
from adapters.fhir.references import Resources, identifier_of


class EncounterStatement(NamedTuple):
    """An Encounter that the input states.

    ``said_at`` is the element that tells when, where the Encounter itself does not: an entry's
    ``response.lastModified`` or the Bundle's ``timestamp``, as (text, expression).
    """

    encounter: Element
    resources: Resources
    said_at: tuple[str, str] | None = None
    position: int = 0


class StatementContext(NamedTuple):
    """What the places and people of an Encounter are read with; ``at`` is when it was received."""

    encounter: Element
    resources: Resources
    at: datetime
    zone: ZoneInfo

    def resolve(self, reference: Element) -> Element | None:
        """What a reference of the Encounter leads to."""
        return self.resources.resolve(reference.uri("reference"), self.encounter)

    def identifiers(self, each: Element | None) -> list[Element]:
        """A resource's own identifiers, as far as they are in use."""
        return self._in_use(each.elements("identifier")) if each is not None else []

    def said_by(self, reference: Element, kind: str) -> list[Element]:
        """The identifier that a reference itself gives, in use; none or one. Raises RefusedError."""
        own = identifier_of(reference, kind)
        return self._in_use([own]) if own is not None else []

    def _in_use(self, identifiers: list[Element]) -> list[Element]:
        return [each for each in identifiers if is_valid(each, self.at, self.zone)]
