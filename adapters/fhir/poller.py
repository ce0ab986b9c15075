"""Rounds of searches: each page is one input, with what it refers to fetched beside it.

No position is kept: observations have derived ids, so a round that repeats the last tells nobody
anything new, and a page that says what it said before is not kept again. Each search goes by itself:
its ``{since}`` goes on only after it came to its end with every page durable, and starts
``look_back_s`` before the service does.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from adapters.fhir.client import FhirClient, RemoteError, TooMuchError
from adapters.fhir.document import canonical
from adapters.fhir.intake import Intake, NotTakenError, Taken
from adapters.fhir.lookup import Lookup
from adapters.fhir.names import Object
from adapters.fhir.remote import SINCE, Remote
from adapters.fhir.said import OF_THE_ANSWER

MAX_REMEMBERED: Final = 10_000


class Poller:
    """Pulls from one server. ``failure`` says why not all of the last round came to its end."""

    def __init__(
        self,
        remote: Remote,
        client: FhirClient,
        lookup: Lookup,
        intake: Intake,
        now: Callable[[], datetime],
    ) -> None:
        self.failure: str | None = None
        self.rounds = 0
        self._remote = remote
        self._client = client
        self._lookup = lookup
        self._intake = intake
        self._now = now
        self._since = dict.fromkeys(remote.searches, now() - timedelta(seconds=remote.look_back_s))
        self._known = Known()

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._remote.interval_s)

    async def round(self) -> None:
        """Every search once. A failure is told by :attr:`failure` and tried again next time."""
        failures = [await self._search(each) for each in self._remote.searches]
        told = [
            f"search {number} of {len(failures)}: {failure}"
            for number, failure in enumerate(failures, 1)
            if failure  # the search itself may name a patient
        ]
        self.failure = "; ".join(told) or None
        self.rounds += not told

    async def _search(self, search: str) -> str | None:
        """Why it did not come to its end."""
        began, since = self._now(), self._since[search].isoformat().replace("+00:00", "Z")
        try:
            await self._ask(search.replace(SINCE, since), self._remote.page_size)
        except RemoteError as error:
            return f"the server: {error}"
        except NotTakenError as error:
            return f"the log: {error.trouble.reason}"
        except Exception as error:  # noqa: BLE001 - whatever it answers costs this search its round only
            return f"a fault of this program: {type(error).__name__}"
        self._since[search] = began - timedelta(seconds=self._remote.overlap_s)
        return None

    async def _ask(self, search: str, page_size: int) -> None:
        """Every page of a search; by smaller ones where a page is more than a record takes."""
        try:
            async for page in self._client.search(search, page_size):
                await self._take(page)
        except TooMuchError:
            if page_size == 1:
                raise
            await self._ask(search, page_size // 2)

    async def _take(self, page: bytes) -> None:
        beside, known = self._lookup.beside, self._known
        try:
            known.add(await self._intake.take(page, _anything, beside=beside, known=known.has))
        except NotTakenError as error:
            if error.trouble.reason == "too-large":  # what follows from it, not the page itself
                raise TooMuchError("more than a record takes of one answer") from None
            raise


class Known:
    """What was taken already, and came to the same: by a hash of content and outcome."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[bytes, None] = OrderedDict()

    def has(self, taken: Taken) -> bool:
        """Whether keeping it again would say nothing new."""
        return _hash(taken) in self._hashes

    def add(self, taken: Taken) -> None:
        """It is durable."""
        self._hashes[_hash(taken)] = None
        if len(self._hashes) > MAX_REMEMBERED:
            self._hashes.popitem(last=False)


def _hash(taken: Taken) -> bytes:
    outcome, document = taken
    said = {key: value for key, value in (document or {}).items() if key not in OF_THE_ANSWER}
    ids = [each.id for each in outcome.observations]
    became = repr((outcome.verdict, outcome.reason, outcome.where, ids, outcome.warnings))
    return blake2b(canonical(said) + became.encode(), digest_size=16).digest()


def _anything(document: Object) -> None:
    """A server's answer needs no address to agree with."""
    del document
