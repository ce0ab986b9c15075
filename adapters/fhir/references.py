"""What a reference leads to: within the resource, within its Bundle, or among what was fetched.

Source: http://hl7.org/fhir/R4/bundle.html#references. ``#id`` is contained. Anything else leads to
the entry with that ``fullUrl``; a relative ``Type/id`` also to the only entry with that type and
id, since many senders give their entries ``urn:uuid`` addresses and refer by id all the same. Two
entries with the same type and id lead nowhere: one of them would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.fhir.element import Element, resource

MAX_STEPS: Final = 8  # bed, room, ward, level, wing, building, site: seven at most


class Resources:
    """The resources that an input's references may lead to; ``beyond`` is asked for the rest."""

    def __init__(self, beyond: Resources | None = None) -> None:
        self._beyond = beyond
        self._by_url: dict[str, Element | None] = {}
        self._by_id: dict[str, Element | None] = {}
        self._contained: dict[int, dict[str, Element]] = {}

    def add(self, url: str, each: Element) -> None:
        """Know a resource by its address (may be empty), its type and its id."""
        if url:
            _put(self._by_url, url, each)
        if number := each.text("id"):
            _put(self._by_id, f"{each.resource_type}/{number}", each)

    def resolve(self, reference: str, inside: Element) -> Element | None:
        """What the reference leads to from inside this resource; None where that is not here."""
        if reference.startswith("#"):
            return self._contained_in(inside).get(reference[1:])
        address = reference.partition("/_history/")[0]
        if address in self._by_url or address in self._by_id:
            return self._by_url.get(address) or self._by_id.get(address)
        return self._beyond.resolve(address, inside) if self._beyond else None

    def _contained_in(self, inside: Element) -> dict[str, Element]:
        """By their ids; looked through once, however many references ask."""
        found = self._contained.get(id(inside.content))
        if found is None:
            found = self._contained[id(inside.content)] = {}
            for at, each in enumerate(inside.elements("contained")):
                path = f"{inside.path}.contained[{at}]"
                found.setdefault(each.text("id"), resource(each.content, path))
        return found

    def follow(self, start: Element, name: str, inside: Element) -> Iterator[Element]:
        """The element itself, then what its reference ``name`` leads to, and so on upwards."""
        seen: set[int] = set()
        each: Element | None = start
        while each is not None and id(each.content) not in seen and len(seen) < MAX_STEPS:
            yield each
            seen.add(id(each.content))
            reference = each.element(name)
            address = reference.uri("reference") if reference else ""
            each = self.resolve(address, inside) if address else None


def _put(known: dict[str, Element | None], key: str, each: Element) -> None:
    other = known.setdefault(key, each)
    if other is not None and other.content != each.content:
        known[key] = None


def references_of(encounter: Element) -> Iterator[Element]:
    """To the Patient, the Organization and the Locations: what the mapping asks for."""
    for name in ("subject", "serviceProvider"):
        if reference := encounter.element(name):
            yield reference
    for entry in encounter.elements("location"):
        if reference := entry.element("location"):
            yield reference


def logical_id(reference: str) -> str:
    """The id in ``Type/id``, also at the end of an address; "" where there is none."""
    if reference[:1] == "#" or reference[:4] == "urn:":
        return ""
    kind, _, number = reference.partition("/_history/")[0].rpartition("/")
    return number if kind else ""
