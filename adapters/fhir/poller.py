"""Rounds of searches: each page is one input, with what it refers to fetched beside it.

Each search goes by itself: its ``{since}`` goes on only after it came to its end with every page durable,
and where it stands is durable too (``positions``). So a restart, or a server that was away for a week,
misses nothing that the server still has; a search that was never asked starts ``look_back_s`` before the
service does. Observations have derived ids, so a round that repeats another tells nobody anything new, and a page
that says what it said before is not kept again.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from typing import Final

from adapters.common.outcome import Trouble, to_review
from adapters.fhir.canonical import canonical
from adapters.fhir.client import RemoteError, TooMuchError
from adapters.fhir.intake import Intake, NotTakenError, Taken, anything
from adapters.fhir.limits import MAX_BODY_BYTES, MAX_REMEMBERED
from adapters.fhir.lookup import Lookup
from adapters.fhir.positions import Positions
from adapters.fhir.remote import SINCE, Remote
from adapters.fhir.said import OF_THE_ANSWER
from bus.port import LogError

TOO_LARGE: Final = "too-large"


class Poller:
    """Pulls from one server. ``failure`` says why not all of the last round came to its end."""

    def __init__(
        self,
        remote: Remote,
        lookup: Lookup,
        intake: Intake,
        positions: Positions,
        now: Callable[[], datetime],
    ) -> None:
        self.failure: str | None = None
        self.rounds = 0
        self._remote = remote
        self._client = lookup.client
        self._lookup = lookup
        self._intake = intake
        self._now = now
        self._positions = positions
        self._first = now() - timedelta(seconds=remote.look_back_s)
        self._since: dict[str, datetime] | None = None
        self._known = Known()

    async def run(self) -> None:
        """Round after round, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(self._remote.interval_s)

    async def round(self) -> None:
        """Every search once. A failure is told by :attr:`failure` and tried again next time."""
        if (since := await self._start()) is None:
            return
        failures = [await self._search(each, since) for each in self._remote.searches]
        told = [
            f"search {number} of {len(failures)}: {failure}"
            for number, failure in enumerate(failures, 1)
            if failure  # the search itself may name a patient
        ]
        self.failure = "; ".join(told) or None
        self.rounds += not told

    async def _start(self) -> dict[str, datetime] | None:
        """From when each search asks; None while the log does not say where they were."""
        if self._since is None:
            try:
                known = await asyncio.to_thread(self._positions.load)
            except LogError as error:
                self.failure = f"the log: {type(error).__name__}"
                return None
            self._since = {
                each: known.get(self._positions.key(each), self._first)
                for each in self._remote.searches
            }
        return self._since

    async def _search(self, search: str, since: dict[str, datetime]) -> str | None:
        """Why it did not come to its end."""
        began, asked = self._now(), since[search].isoformat().replace("+00:00", "Z")
        try:
            await self._ask(search.replace(SINCE, asked), self._remote.page_size)
            reached = max(since[search], began - timedelta(seconds=self._remote.overlap_s))
            if SINCE in search:
                await self._intake.write([self._positions.record(search, reached)])
        except RemoteError as error:
            return f"the server: {error}"
        except NotTakenError as error:
            return f"the log: {error.trouble.reason}"
        except Exception as error:  # noqa: BLE001 - whatever it answers costs this search its round only
            return f"a fault of this program: {type(error).__name__}"
        since[search] = reached
        return None

    async def _ask(self, search: str, page_size: int) -> None:
        """Every page of a search; by smaller ones where a page is more than a record takes."""
        try:
            async for page in self._client.search(search, page_size):
                await self._take(page, page_size)
        except TooMuchError:
            if page_size == 1:
                raise
            await self._ask(search, page_size // 2)

    async def _take(self, page: bytes, page_size: int) -> None:
        """Raises TooMuchError where a smaller page may do."""
        if len(page) > MAX_BODY_BYTES:
            await self._set_aside(page)
            return
        known, beside = self._known, self._lookup.beside
        try:
            taken = await self._intake.take(
                page, anything, beside=beside, known=lambda each: known.has(_hash(each))
            )
            known.add(_hash(taken))
        except NotTakenError as error:
            if error.trouble.reason != TOO_LARGE:  # what follows from it, not the page itself
                raise
            if page_size > 1:
                raise TooMuchError("more than a record takes of one answer") from None
            await self._set_aside(page)

    async def _set_aside(self, page: bytes) -> None:
        """File in review what no record holds, as its size and hash, and go on with what comes after it."""
        digest = sha256(page).digest()
        if self._known.has(digest):
            return
        detail = "a resource of a search is more than a record of the log holds: it is not read"
        trouble = Trouble(TOO_LARGE, detail, mark_unread=True, repeatable=False)
        note = json.dumps({"bytes": len(page), "sha256": digest.hex()}).encode()
        await self._intake.take(note, anything, to_review(trouble))
        self._known.add(digest)


class Known:
    """Hashes of what was taken already: taking it again would say nothing new."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[bytes, None] = OrderedDict()

    def has(self, digest: bytes) -> bool:
        """Whether it is known."""
        return digest in self._hashes

    def add(self, digest: bytes) -> None:
        """It is durable."""
        self._hashes[digest] = None
        if len(self._hashes) > MAX_REMEMBERED:
            self._hashes.popitem(last=False)


def _hash(taken: Taken) -> bytes:
    """Of content and outcome."""
    outcome, document = taken
    said = {key: value for key, value in (document or {}).items() if key not in OF_THE_ANSWER}
    ids = [each.id for each in outcome.observations]
    became = repr((outcome.verdict, outcome.reason, outcome.where, ids, outcome.warnings))
    return blake2b(canonical(said) + became.encode(), digest_size=16).digest()
