"""Fetches resources that an input refers to and does not contain, with a cache.

Only what the mapping asks for is fetched: the Patient, the Organization, the Locations and what
they are part of. A reference that leads nowhere stays unresolved, and the mapping says so; a server
that does not answer raises, for then the input must wait. What is not there is asked for again the
next time, and so is a Patient: a protection that was added must count at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from adapters.fhir.address import normal
from adapters.fhir.bundle import read_bundle
from adapters.fhir.client import FhirClient, RemoteError, TryAgainError
from adapters.fhir.document import read
from adapters.fhir.element import Element, resource
from adapters.fhir.large_bodies import aside
from adapters.fhir.limits import MAX_ABOVE, MAX_REMEMBERED, MAX_REMEMBERED_BYTES
from adapters.fhir.names import Object
from adapters.fhir.references import Resources, is_conditional, parents_of, references_of
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.statement import EncounterStatement


class ResourceLookup:
    """Fetches for one server. ``clock`` counts seconds and never goes back."""

    def __init__(self, client: FhirClient, cache_s: float, clock: Callable[[], float]) -> None:
        self.client = client
        self._cache_s = cache_s
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[float, Object]] = OrderedDict()

    async def read(self, reference: str) -> bytes | None:
        """One resource as it is now, never from memory. Raises RemoteError."""
        return await self.client.read(reference)

    async def beside(self, document: Object) -> Resources:
        """Everything that the input's Encounters refer to beyond itself. Raises RemoteError."""
        found = Resources()
        for statement in _statements(document):
            for reference in references_of(statement.encounter):
                await self._follow(reference, statement, found)
        return found

    async def _follow(
        self, reference: str, statement: EncounterStatement, found: Resources
    ) -> None:
        """The resource, then everything that it is part of or managed by, upwards."""
        asked: set[str] = set()
        waiting = [reference]
        while waiting and len(asked) < MAX_ABOVE:
            each = waiting.pop(0)
            if each not in asked:
                asked.add(each)
                resolved = await self._resolved(each, statement, found)
                waiting += parents_of(resolved) if resolved is not None else []

    async def _resolved(
        self, reference: str, statement: EncounterStatement, found: Resources
    ) -> Element | None:
        """The resource, from the input or fetched; None where neither has it."""
        known = statement.resources.resolve(reference, statement.encounter)
        each = known or found.resolve(reference, statement.encounter)
        if each is None and (content := await self._fetch(reference)) is not None:
            each = resource(content)
            found.add(self.client.address(reference) or "", each)
        return each

    async def _fetch(self, reference: str) -> Object | None:
        address = self.client.address(reference)
        if address is None or reference.startswith(("#", "urn:")) or is_conditional(reference):
            return None
        now = self._clock()
        at = normal(address)
        known = self._remembered.get(at)
        if known is not None and now - known[0] <= self._cache_s:
            return known[1]
        try:
            payload = await self.client.read(reference)
        except TryAgainError:
            raise
        except RemoteError:
            return None  # refused to us: what needs it says what is missing, others go on
        content = await aside(payload or b"", lambda: _parsed(payload))
        is_small = payload is not None and len(payload) <= MAX_REMEMBERED_BYTES
        if is_small and content is not None and content["resourceType"] != "Patient":
            self._remember(at, now, content)
        return content

    def _remember(self, address: str, now: float, content: Object) -> None:
        self._remembered[address] = (now, content)
        self._remembered.move_to_end(address)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def _parsed(payload: bytes | None) -> Object | None:
    try:
        return None if payload is None else read(payload)
    except ResourceRefusedError:
        return None  # as good as not there: what needs it says what is missing


def _statements(document: Object) -> list[EncounterStatement]:
    top = resource(document)
    if top.resource_type == "Encounter":
        return [EncounterStatement(top, Resources())]
    try:
        return read_bundle(top).statements if top.resource_type == "Bundle" else []
    except ResourceRefusedError:
        return []  # the mapping refuses it, and says why
