"""Resolves a Location or Organization to a ward of the register; nothing is guessed.

Source: http://hl7.org/fhir/R4/location.html (physicalType, R5: form; partOf). A bed leads through
its room to its ward. What a Location that is not at hand still says is its logical id, its
identifier and, where the profile allows it, its display.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from adapters.common.outcome import MAX_TEXT_CHARS, Trouble
from adapters.common.ward import unresolved
from adapters.fhir.element import Element
from adapters.fhir.facility import Facility, FacilityReader
from adapters.fhir.profile import PlaceSettings
from adapters.fhir.references import logical_id
from adapters.fhir.statement import StatementContext
from schemas.observation import Location
from schemas.ward import Unresolved, WardRegister

Part = Literal["bed", "room", "ward", "other"]
_PARTS: Final[dict[str, Part]] = {
    "bd": "bed",
    "ro": "room",
    **dict.fromkeys(("si", "bu", "jdn", "rd", "ho", "ve"), "other"),  # site, building, …
}
"""Codes of ``location-physical-type`` that are no care unit; every other place may be one."""


class LocationParts(NamedTuple):
    """What one ``Encounter.location`` says: a ward, a room, a bed, each or none.

    ``unread``: it is a ward or may be one, and this is why the register does not tell which.
    ``cleaned``: where something was left out of the name of a room or bed.
    """

    where: str
    ward: str | None = None
    room: str | None = None
    bed: str | None = None
    unread: Unresolved | None = None
    cleaned: str | None = None


class PlaceReader:
    """Reads the places of one source."""

    def __init__(
        self, settings: PlaceSettings, wards: WardRegister, source: str, kind: str
    ) -> None:
        self._settings = settings
        self._wards = wards
        self._source = source
        self._kind = kind
        self._facilities = FacilityReader(settings, wards, source, kind)

    def spot(self, entry: Element, around: StatementContext) -> LocationParts:
        """What an ``Encounter.location`` leads to. Raises RefusedError for a broken form."""
        reference = entry.element("location")
        if reference is None:
            return LocationParts(entry.path)
        said = LocationParts(reference.path)
        for part, found in self._chain(entry, reference, around):
            if part in {"bed", "room"}:
                said = _with_part(said, part, _label(found, reference, around))
            elif part == "ward":
                named = None if said.room or said.bed else reference
                codes = self._codes(named, found, "Location", around)
                ward = self._resolve(codes, self._facilities.of(found, around))
                if isinstance(ward, str):
                    return said._replace(ward=ward, unread=None)
                said = said._replace(unread=_plainest(said.unread, ward))
        return said

    def ward(self, reference: Element, around: StatementContext) -> str | Trouble:
        """The ward that a reference to an Organization names."""
        found = around.resolve(reference)
        codes = self._codes(reference, found, "Organization", around)
        ward = self._resolve(codes, self._facilities.of(found, around))
        return unresolved(ward, reference.path) if isinstance(ward, Unresolved) else ward

    def _chain(
        self, entry: Element, reference: Element, around: StatementContext
    ) -> Iterator[tuple[Part, Element | None]]:
        """Each Location on the way up, and which part of a hospital it is."""
        start = around.resolve(reference)
        if start is None:
            yield self._part(entry), None
            return
        for each in around.resources.follow(start, "partOf", around.encounter):
            each.refuse_modifiers()
            part = self._part(each)
            if each is start and part == "ward":  # the entry may know better
                part = self._part(entry)
            yield part, each

    def _part(self, each: Element) -> Part:
        codes = [coding.text("code") for coding in each.codings(self._kind)]
        return next((_PARTS[code] for code in codes if code in _PARTS), "ward")

    def _codes(
        self, reference: Element | None, found: Element | None, kind: str, around: StatementContext
    ) -> list[str]:
        """The candidates for a code, in the profile's order."""
        return [
            code
            for source in self._settings.code_from
            for code in (
                self._identifiers(reference, found, kind, around)
                if source == "identifier"
                else self._codes_from(source, reference, found)
            )
            if code
        ]

    def _codes_from(
        self, source: str, reference: Element | None, found: Element | None
    ) -> list[str]:
        match source:
            case "id":
                by_reference = logical_id(reference.uri("reference")) if reference else ""
                return [(found.text("id") if found else "") or by_reference]
            case "name":
                return [found.name("name")] if found else []
            case _:
                return [self._display(reference)] if reference else []

    def _identifiers(
        self, reference: Element | None, found: Element | None, kind: str, around: StatementContext
    ) -> list[str]:
        known = around.identifiers(found)
        if reference is not None:
            known += around.said_by(reference, kind)
        systems = self._settings.systems
        return [
            each.text("value") for each in known if not systems or each.uri("system") in systems
        ]

    def _display(self, reference: Element) -> str:
        display, part = reference.name("display"), self._settings.display_part
        if part is None:
            return display
        parts = [each.strip() for each in display.split(",")]
        return parts[part - 1] if part <= len(parts) else ""

    def _resolve(self, codes: list[str], facility: Facility) -> str | Unresolved:
        """The ward of the first code that has one, else why none of them has."""
        why = Unresolved.UNKNOWN
        for code in codes:
            found = self._wards.resolve(self._source, code, facility.names)
            if found is Unresolved.AMBIGUOUS and facility.fallback:
                found = self._wards.resolve(self._source, code, facility.fallback)
            if isinstance(found, Unresolved):
                why = _plainest(why, found)
            elif len(found) <= MAX_TEXT_CHARS:
                return found
        return why


def _plainest(one: Unresolved | None, other: Unresolved) -> Unresolved:
    """The reason that says more: a code that is not there at all says least."""
    return other if one in {None, Unresolved.UNKNOWN} else one


def _with_part(spot: LocationParts, part: Part, called: tuple[str, str | None]) -> LocationParts:
    """With the first room or bed on the way up, by what it is called."""
    if (spot.bed if part == "bed" else spot.room) is not None:
        return spot
    label, cleaned = called
    spot = spot._replace(cleaned=spot.cleaned or cleaned)
    return spot._replace(bed=label) if part == "bed" else spot._replace(room=label)


def _label(
    found: Element | None, reference: Element, around: StatementContext
) -> tuple[str, str | None]:
    """What a room or bed is called, and where something was left out of that."""
    said = [(reference, "display")]
    if found is not None:
        said = [*((each, "value") for each in around.identifiers(found)), (found, "name")]
    for each, name in said:
        if label := each.name(name):
            return label, f"{each.path}.{name}" if each.is_cleaned(name) else None
    own = around.said_by(reference, "Location")
    return own[0].text("value") if own else "", None


NO_WARD: Final = (
    "a site, a room or a bed, and no ward: send the ward too, as partOf of the room or bed or as a location of its "
    "own, or give the register the code as the ward's"
)


def merged(spots: list[LocationParts], where: str) -> Location | Trouble:
    """The one place that several entries of the same status describe together, part by part."""
    if len(spots) == 1 and spots[0].ward:  # nearly always
        return _location(spots[0].ward, spots[0].room, spots[0].bed)
    wards = {spot.ward for spot in spots if spot.ward}
    if len(wards) > 1:
        return Trouble("place-ambiguous", "several wards at once: which one cannot be told", where)
    for spot in spots:
        if spot.unread is not None:
            return unresolved(spot.unread, spot.where)
    if not wards:
        return Trouble("location-without-ward", NO_WARD, where)
    rooms = {spot.room for spot in spots if spot.room}
    beds = {spot.bed for spot in spots if spot.bed}
    return _location(wards.pop(), _only(rooms), _only(beds))


def _only(names: set[str]) -> str | None:
    return names.pop() if len(names) == 1 else None


def _location(ward: str, room: str | None, bed: str | None) -> Location:
    """Room and bed are left out where they are not said."""
    said = {"ward": ward}
    if room:
        said["room"] = room
    if bed:
        said["bed"] = bed
    return Location.model_validate(said)
