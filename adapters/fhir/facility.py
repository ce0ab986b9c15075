"""Finds the hospital of a place: ``partOf``, ``managingOrganization``, else the Encounter's provider.

Sources: http://hl7.org/fhir/R4/location.html (partOf, managingOrganization, physicalType),
http://hl7.org/fhir/R4/encounter-definitions.html#Encounter.serviceProvider.

A name (identifier, logical id, name) is looked up in the ward register. A wing or a level that the
register does not know says nothing; a site or an organisation that it does not know may be another
hospital, and then the place is no ward of ours. Whose Encounter it is only decides between wards
that share a code: a patient may be meant for a ward of another hospital.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from adapters.fhir.element import Element
from adapters.fhir.limits import MAX_STEPS
from adapters.fhir.profile import PlaceSettings
from adapters.fhir.references import logical_id
from adapters.fhir.statement import StatementContext
from schemas.ward import Unresolved, WardRegister

_PARTS: Final = frozenset({"bu", "wi", "wa", "lvl", "co", "ro", "bd", "ve", "ca", "area", "vi"})
"""Codes of ``location-physical-type`` that are no hospital: known as a facility, or mute."""


class Facility(NamedTuple):
    """``names``: of the place's own facility. ``fallback``: of the Encounter's."""

    names: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()


class _Above(NamedTuple):
    """One that a place or an organisation is part of: its names, and whether it may be a hospital."""

    names: tuple[str, ...]
    may_be_hospital: bool


class FacilityReader:
    """Tells the facilities of one feed's places."""

    def __init__(
        self, settings: PlaceSettings, wards: WardRegister, source: str, kind: str
    ) -> None:
        self._from = settings.facility_from if not wards.is_open else ()
        self._default = (settings.default_facility,) if settings.default_facility else ()
        self._constant = Facility(self._default)
        self._wards = wards
        self._source = source
        self._kind = kind

    def of(self, place: Element | None, around: StatementContext) -> Facility:
        """The facility of a Location or an Organization; of one that is not at hand, the default."""
        if not self._from:
            return self._constant
        above = list(self._above(place, around)) if place is not None else []
        said = [name for each in above for name in each.names]
        names = self._known(said) or self._unknown(above)
        if names or self._default:
            return Facility(names or self._default)
        return Facility((), self._known(list(self._of_encounter(around))))

    def _above(self, place: Element, around: StatementContext) -> Iterator[_Above]:
        """Everything above a place that the profile asks."""
        chain = [place]
        for reference, found in _upwards(place, "partOf", around):
            if "partOf" in self._from:
                yield self._named(reference, found, place.resource_type, around)
            chain += [found] if found is not None else []
        for each in chain if "managingOrganization" in self._from else ():
            for reference, found in _upwards(each, "managingOrganization", around):
                yield self._named(reference, found, "Organization", around)

    def _of_encounter(self, around: StatementContext) -> Iterator[str]:
        if "serviceProvider" in self._from:
            for reference, found in _upwards(around.encounter, "serviceProvider", around):
                yield from self._named(reference, found, "Organization", around).names

    def _named(
        self, reference: Element, found: Element | None, kind: str, around: StatementContext
    ) -> _Above:
        known = [*around.said_by(reference, kind), *around.identifiers(found)]
        said = [*(each.text("value") for each in known), logical_id(reference.uri("reference"))]
        if found is None:
            return _Above(tuple(filter(None, said)), may_be_hospital=True)
        said += [found.text("id"), found.name("name")]
        kinds = {coding.text("code") for coding in found.codings(self._kind)}
        return _Above(tuple(filter(None, said)), may_be_hospital=not kinds & _PARTS)

    def _known(self, names: list[str]) -> tuple[str, ...]:
        return tuple(name for name in names if self._wards.knows_facility(self._source, name))

    def _unknown(self, above: list[_Above]) -> tuple[str, ...]:
        """The names of what may be another hospital: an organisation may also be the ward itself."""
        return tuple(
            name
            for each in above
            if each.may_be_hospital and not any(map(self._is_a_ward, each.names))
            for name in each.names
        )

    def _is_a_ward(self, name: str) -> bool:
        return self._wards.resolve(self._source, name) is not Unresolved.UNKNOWN


def _upwards(
    start: Element, name: str, around: StatementContext
) -> Iterator[tuple[Element, Element | None]]:
    """Each reference on the way up, the first by ``name``, and what it leads to."""
    each, inside, resources = start, around.encounter, around.resources
    for _ in range(MAX_STEPS):
        inside = resources.holder(each, inside)
        reference = each.element(name)
        if reference is None:
            return
        address = reference.uri("reference")
        found = resources.resolve(address, inside) if address else None
        yield reference, found
        if found is None:
            return
        each, name = found, "partOf"
