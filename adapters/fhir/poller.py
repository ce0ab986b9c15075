"""Rounds of searches: each page is one input, with what it refers to fetched beside it.

No position is kept: observations have derived ids, so a round that repeats the last tells nobody
anything new. ``{since}`` goes on only after a round of which every page is durable; it starts
``look_back_s`` before the service does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from adapters.fhir.client import FhirClient, RemoteError, TooMuchError
from adapters.fhir.intake import Intake, NotTakenError
from adapters.fhir.lookup import Lookup
from adapters.fhir.remote import Remote


class Poller:
    """Pulls from one server. ``failure`` says why the last round did not come to its end."""

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
        self._since = now() - timedelta(seconds=remote.look_back_s)

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._remote.interval_s)

    async def round(self) -> None:
        """Every search once. A failure is told by :attr:`failure` and tried again next time."""
        began = self._now()
        try:
            for search in self._remote.searches:
                since = self._since.isoformat().replace("+00:00", "Z")
                await self._ask(search.replace("{since}", since), self._remote.page_size)
        except RemoteError as error:
            self.failure = f"the server: {error}"
        except NotTakenError as error:
            self.failure = f"the log: {error.trouble.reason}"
        else:
            self.failure = None
            self.rounds += 1
            self._since = began - timedelta(seconds=self._remote.overlap_s)

    async def _ask(self, search: str, page_size: int) -> None:
        """Every page of a search; by smaller ones where a page is more than a record takes."""
        try:
            async for page in self._client.search(search, page_size):
                await self._intake.take(page, _anything, beside=self._lookup.beside)
        except TooMuchError:
            if page_size == 1:
                raise
            await self._ask(search, page_size // 2)


def _anything(document: object) -> None:
    """A server's answer needs no address to agree with."""
    del document
