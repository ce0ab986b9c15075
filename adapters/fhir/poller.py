"""Polls a FHIR server: each page of a search is one input.

Each search goes by itself: its ``{since}`` goes on only after it came to its end with every page durable,
and where it stands is durable too (``positions``). So a restart, or a server that was away for a week,
misses nothing that the server still has; a search that was never asked starts ``look_back_s`` before the
service does.

Invariant: nothing is asked for from later than what the server's own clock says, less the overlap (ours only where
the server says none): a clock that is wrong for a while, on either side, costs a repetition and passes over
nothing. Observations have derived ids, so a round that repeats another tells nobody anything new, and a page
that says what it said before is not kept again.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble, to_review
from adapters.fhir.canonical import canonical
from adapters.fhir.client import RemoteError, TooMuchError
from adapters.fhir.intake import Intake, NotTakenError, Taken, anything
from adapters.fhir.limits import MAX_BODY_BYTES, MAX_REMEMBERED
from adapters.fhir.lookup import ResourceLookup
from adapters.fhir.positions import Positions
from adapters.fhir.remote import SINCE, Remote
from adapters.fhir.said import OF_THE_ANSWER
from bus.port import LogError

TOO_LARGE: Final = "too-large"


class Since(NamedTuple):
    """From when to ask, and how long before the server's now that is at least."""

    at: datetime
    before_now: timedelta

    def allowed(self, now: datetime) -> datetime:
        """From when to ask at the latest, at a moment of the server's."""
        return min(self.at, now - self.before_now)


class Poller:
    """Pulls from one server. ``failure`` says why not all of the last round came to its end."""

    def __init__(
        self,
        remote: Remote,
        lookup: ResourceLookup,
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
        self._overlap = timedelta(seconds=remote.overlap_s)
        look_back = timedelta(seconds=remote.look_back_s)
        self._first = Since(now() - look_back, look_back)
        self._since: dict[str, Since] | None = None
        self._known = TakenHashes()

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

    async def _start(self) -> dict[str, Since] | None:
        """From when each search asks; None while the log does not say where they were."""
        if self._since is None:
            try:
                known = await asyncio.to_thread(self._positions.load)
            except LogError as error:
                self.failure = f"the log: {type(error).__name__}"
                return None
            self._since = {each: self._known_of(each, known) for each in self._remote.searches}
        return self._since

    def _known_of(self, search: str, known: Mapping[str, datetime]) -> Since:
        at = known.get(self._positions.key(search))
        return self._first if at is None else Since(at, self._overlap)

    async def _search(self, search: str, since: dict[str, Since]) -> str | None:
        """Why it did not come to its end."""
        try:
            reached = await self._through(search, since[search])
            if SINCE in search:
                await self._intake.write([self._positions.record(search, reached)])
        except RemoteError as error:
            return f"the server: {error}"
        except NotTakenError as error:
            return f"the log: {error.trouble.reason}"
        except Exception as error:  # noqa: BLE001 - whatever it answers costs this search its round only
            return f"a fault of this program: {type(error).__name__}"
        since[search] = Since(reached, self._overlap)
        return None

    async def _through(self, search: str, since: Since) -> datetime:
        """Ask to the end; from when to ask the next time."""
        asked = since.at
        now = await self._asked(search, asked)
        if SINCE in search and (allowed := since.allowed(now)) < asked - self._overlap / 2:
            asked = allowed  # a clock was ahead when it was last asked, or is ours today
            now = await self._asked(search, asked)
        return max(asked, now - self._overlap)

    async def _asked(self, search: str, since: datetime) -> datetime:
        """Ask to the end, and tell when it was asked: by the server's clock, else by ours."""
        began = self._now()
        text = since.isoformat().replace("+00:00", "Z")
        made_at = await self._ask(search.replace(SINCE, text), self._remote.page_size)
        return made_at or began

    async def _ask(self, search: str, page_size: int) -> datetime | None:
        """Every page of a search; by smaller ones where a page is more than a record takes.

        When the server made the search, as its first page says.
        """
        made_at: list[datetime | None] = []
        try:
            async for page in self._client.search(search, page_size):
                made_at.append(page.made_at)
                await self._take(page.payload, page_size)
        except TooMuchError:
            if page_size == 1:
                raise
            return await self._ask(search, page_size // 2)
        return made_at[0] if made_at else None

    async def _take(self, page: bytes, page_size: int) -> None:
        """Raises TooMuchError where a smaller page may do."""
        if len(page) > MAX_BODY_BYTES:
            await self._set_aside(page)
            return
        hashes: list[bytes] = []

        def is_known(taken: Taken) -> bool:
            hashes.append(_hash(taken))
            return self._known.has(hashes[0])

        try:
            await self._intake.take(page, anything, beside=self._lookup.beside, known=is_known)
            self._known.add(hashes[0])
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


class TakenHashes:
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
