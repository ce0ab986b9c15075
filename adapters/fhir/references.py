"""Resolves references within the resource, within its Bundle, or among fetched resources.

Sources: http://hl7.org/fhir/R4/bundle.html#references, http.html#trules (conditional references).

* ``#id`` is contained. Anything else leads to the entry with that ``fullUrl``. A relative ``Type/id`` is one
  of the same server, as the ``fullUrl`` of whoever refers says; else the only entry with that type and id
  whose address names no other server, since many senders give their entries ``urn:uuid`` addresses and refer
  by id all the same.
* ``Type?identifier=system|value`` leads to the only entry of that type with that identifier. Where
  none is at hand it says which identifier is meant, as a logical reference does. Any other condition
  leads nowhere: it is never read as an id.

Two entries that a reference could mean lead nowhere: one of them would be a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from adapters.fhir.address import normal
from adapters.fhir.element import Element, resource
from adapters.fhir.limits import MAX_ABOVE, MAX_STEPS
from adapters.fhir.refusal import ResourceRefusedError

_IN_CONDITIONS: Final = frozenset({"_format", "_pretty"})
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]+")
_ID: Final = re.compile(r"[^?#$|=&\s]+")


_Key = TypeVar("_Key", str, "IdentifierToken")


class IdentifierToken(NamedTuple):
    """An identifier as a search names it; ``system`` is None where any will do."""

    type: str
    system: str | None
    value: str


class Resources:
    """The resources that an input's references may lead to; ``beyond`` is asked for the rest."""

    def __init__(self, beyond: Resources | None = None) -> None:
        self._beyond = beyond
        self._by_url: dict[str, Element | None] = {}
        self._by_id: dict[str, dict[str, Element | None]] = {}
        """``Type/id`` -> server ("" for none) -> resource."""
        self._servers: dict[int, str] = {}
        self._by_token: dict[IdentifierToken, Element | None] | None = None
        self._contained: dict[int, dict[str, Element]] = {}
        self._all: list[Element] = []

    def add(self, url: str, each: Element) -> None:
        """Know a resource by its address (may be empty), its type and its id."""
        self._all.append(each)
        self._by_token = None
        address, number = normal(url), each.text("id")
        server = _server_of(address, each.resource_type)
        self._servers[id(each.content)] = server
        if address:
            _put(self._by_url, address, each)
        if number:
            _put(self._by_id.setdefault(f"{each.resource_type}/{number}", {}), server, each)

    def resolve(self, reference: str, inside: Element) -> Element | None:
        """What the reference leads to from inside this resource; None where that is not here."""
        if reference.startswith("#"):
            return self._contained_in(inside).get(reference[1:])
        if not self._all and self._beyond is None:  # an Encounter by itself: nearly always
            return None
        address = normal(reference.partition("/_history/")[0])
        server = self._servers.get(id(inside.content), "")
        for url in (address, f"{server}/{address}"):
            if url in self._by_url:
                return self._by_url[url]
        if found := self._of_server(self._by_id.get(address, {}), server):
            return found[0]
        if token := token_of(reference):
            known = self._tokens()
            if token in known:
                return known[token]
        return self._beyond.resolve(address, inside) if self._beyond else None

    @staticmethod
    def _of_server(known: Mapping[str, Element | None], server: str) -> list[Element | None]:
        """The resource of this server, or of none that is named; [None] where several may be meant."""
        if server:
            return [known[each] for each in (server, "") if each in known][:1]
        one, *others = [*known.values()] or [None]
        if any(one is None or each is None or each.content != one.content for each in others):
            return [None]
        return [one] if known else []

    def _contained_in(self, inside: Element) -> dict[str, Element]:
        """By their ids; looked through once, however many references ask."""
        found = self._contained.get(id(inside.content))
        if found is None:
            found = self._contained[id(inside.content)] = {}
            for each in inside.readable("contained"):
                with suppress(ResourceRefusedError):  # what has no readable id is never referred to
                    found.setdefault(each.text("id"), resource(each.content, each.path))
        return found

    def _tokens(self) -> dict[IdentifierToken, Element | None]:
        """By each of their identifiers; made when first asked for, since hardly any sender does."""
        if self._by_token is None:
            self._by_token = {}
            for each in self._all:
                for token in set(_tokens_of(each)):
                    _put(self._by_token, token, each)
        return self._by_token

    def follow(self, start: Element, name: str, inside: Element) -> Iterator[Element]:
        """The element itself, then what its reference ``name`` leads to, and so on upwards."""
        seen: set[int] = set()
        each: Element | None = start
        while each is not None and id(each.content) not in seen and len(seen) < MAX_STEPS:
            yield each
            seen.add(id(each.content))
            inside = self.holder(each, inside)
            reference = each.element(name)
            address = reference.uri("reference") if reference else ""
            each = self.resolve(address, inside) if address else None

    def above(self, start: Element, inside: Element) -> Iterator[Element]:
        """The element itself, then everything that it is part of or managed by, each once."""
        seen: set[int] = set()
        waiting = [(start, inside)]
        while waiting and len(seen) < MAX_ABOVE:
            each, within = waiting.pop(0)
            if id(each.content) in seen:
                continue
            seen.add(id(each.content))
            yield each
            within = self.holder(each, within)
            found = [self.resolve(address, within) for address in parents_of(each)]
            waiting += [(parent, within) for parent in found if parent is not None]

    @staticmethod
    def holder(each: Element, inside: Element) -> Element:
        """Whose ``contained`` a resource's own references mean: its container's, else its own."""
        return inside if each.path.startswith(f"{inside.path}.contained[") else each


def _put(known: dict[_Key, Element | None], key: _Key, each: Element) -> None:
    other = known.setdefault(key, each)
    if other is not None and other.content != each.content:
        known[key] = None


def _server_of(address: str, kind: str) -> str:
    """The base of the server where a resource has its address; "" for no such address."""
    path, _, _ = address.rpartition("/")
    is_on_server = address[:4] == "http" and path.endswith(f"/{kind}")
    return path.removesuffix(f"/{kind}") if is_on_server else ""


def _tokens_of(each: Element) -> Iterator[IdentifierToken]:
    for identifier in each.readable("identifier"):
        with suppress(ResourceRefusedError):  # what cannot be read is nobody's identifier
            if value := identifier.text("value"):
                yield IdentifierToken(each.resource_type, identifier.uri("system"), value)
                yield IdentifierToken(each.resource_type, None, value)


def references_of(encounter: Element) -> Iterator[str]:
    """Addresses of the Patient, the Organization and the Locations: what the mapping asks for."""
    holders = [(encounter, "subject"), (encounter, "serviceProvider")]
    holders += [(entry, "location") for entry in encounter.readable("location")]
    yield from _addresses(holders)


def parents_of(each: Element) -> Iterator[str]:
    """Addresses of what a Location or an Organization is part of, and of who manages it."""
    yield from _addresses([(each, "partOf"), (each, "managingOrganization")])


def _addresses(holders: Sequence[tuple[Element, str]]) -> Iterator[str]:
    """Of each that has one; what cannot be read leads nowhere, and who needs it says so."""
    for holder, name in holders:
        try:
            reference = holder.element(name)
            address = reference.uri("reference") if reference is not None else ""
        except ResourceRefusedError:
            continue
        if address:
            yield address


def is_conditional(reference: str) -> bool:
    """Whether a reference is a search."""
    return "?" in reference and reference[:1] != "#" and reference[:4] != "urn:"


def token_of(reference: str) -> IdentifierToken | None:
    """The identifier that a conditional reference names; None where it names none, or more."""
    if not is_conditional(reference):
        return None
    path, _, query = reference.partition("?")
    asked = [each for each in parse_qsl(query) if each[0] not in _IN_CONDITIONS]
    if len(asked) != 1 or asked[0][0] != "identifier" or "," in asked[0][1]:
        return None
    system, bar, value = asked[0][1].rpartition("|")
    return (
        IdentifierToken(path.rpartition("/")[2], system if bar else None, value) if value else None
    )


def logical_id(reference: str) -> str:
    """The id in ``Type/id``, also at the end of an address; "" where there is none."""
    if reference[:1] == "#" or reference[:4] == "urn:":
        return ""
    path, _, number = reference.partition("/_history/")[0].rpartition("/")
    is_one = _TYPE.fullmatch(path.rpartition("/")[2]) and _ID.fullmatch(number)
    return number if is_one else ""


def identifier_of(reference: Element, kind: str) -> Element | None:
    """The identifier that a reference itself gives, as a condition or logically; None without a value.

    Raises RefusedError for a condition that is not one identifier of a resource of this kind.
    """
    address = reference.uri("reference")
    if is_conditional(address):
        token = token_of(address)
        if token is None or token.type != kind:
            detail = f"a conditional reference is by one identifier of a {kind}"
            raise ResourceRefusedError(
                "reference-unresolved", detail, f"{reference.path}.reference"
            )
        said = {"system": token.system or "", "value": token.value}
        return Element(said, f"{reference.path}.reference")
    logical = reference.element("identifier")
    return logical if logical and logical.text("value") else None
