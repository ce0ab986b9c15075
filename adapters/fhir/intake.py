"""Takes in one request body: parse, commit, answer; the same for every route.

Invariant: a sender is told yes only after the log has called back that the body and everything
that follows from it are durable; when the log fails it is told 503, never 200. What is refused
before it is stored (no token, too large, too often) is counted; everything else is in ``raw``, and
in review where it cannot be used, also with the wrong content type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from adapters.common.feed import Input, records_of
from adapters.common.figures import FeedFigures
from adapters.common.keys import raw_pointer
from adapters.common.limits import MAX_WAITING_BYTES
from adapters.common.outcome import InputOutcome, Trouble, to_review
from adapters.common.receipt import ReceiptClock
from adapters.common.review import FeedReview, Findings
from adapters.common.store import SettledInput, Store
from adapters.fhir.document import read
from adapters.fhir.large_bodies import aside
from adapters.fhir.limits import MAX_ELEMENTS
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.names import Object
from adapters.fhir.references import Resources
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.said import may_mark, named_of, statement_of_input
from bus.port import Log, LogError, Record, RecordTooLargeError

Check = Callable[[Object], None]
Beside = Callable[[Object], Awaitable[Resources]]


@dataclass
class EndpointFigures(FeedFigures):
    """What an endpoint counts besides."""

    requests: int = 0
    body_bytes: int = 0
    refused_at_the_door: int = 0
    degraded: int = 0
    waiting: int = 0
    waiting_bytes: int = 0

    def became(self, outcome: InputOutcome) -> None:
        """What a body turned out to be, and whether a stricter reader had refused it."""
        super().became(outcome)
        self.degraded += outcome.degraded is not None


class Taken(NamedTuple):
    """What became of a durable body, and the body itself where it could be read at all."""

    outcome: InputOutcome
    document: Object | None


IsKnown = Callable[[Taken], bool]
Grow = Callable[[int], None]


class NotTakenError(Exception):
    """Nothing of the body is kept; the sender must be told why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


class Intake:
    """Takes the bodies of one feed."""

    def __init__(
        self,
        normaliser: FhirNormaliser,
        log: Log,
        clock: Callable[[], datetime],
        max_waiting: int,
        review: FeedReview | None = None,
    ) -> None:
        self.figures = EndpointFigures()
        self.profile = normaliser.profile
        self._normaliser = normaliser
        self._review = review or FeedReview(normaliser.feed)
        self._store = Store(log, _settle)
        self._receipts = ReceiptClock(clock)
        self._max_waiting = max_waiting

    @contextmanager
    def admitted(self) -> Iterator[Grow]:
        """Room for one request, from before its body is read until it is answered.

        What is given is told of each piece of the body. It and the call raise NotTakenError where too
        much is on its way already.
        """
        if self.figures.waiting >= self._max_waiting:
            raise _too_many_waiting()
        held = 0

        def grow(size: int) -> None:
            nonlocal held
            held += size
            self.figures.waiting_bytes += size
            if self.figures.waiting_bytes > MAX_WAITING_BYTES:
                raise _too_many_waiting()

        self.figures.waiting += 1
        try:
            yield grow
        finally:
            self.figures.waiting -= 1
            self.figures.waiting_bytes -= held

    async def take(
        self,
        payload: bytes,
        check: Check,
        already: InputOutcome | None = None,
        beside: Beside | None = None,
        known: IsKnown | None = None,
    ) -> Taken:
        """Read, store, and tell what became of it.

        ``already``: what became of it is known without reading. ``beside`` fetches what it refers
        to, and what that raises goes through. What ``known`` knows is not stored again. Raises
        NotTakenError where it could not be stored.
        """
        at = self.figures.last_seen = self._receipts(_most_statements(payload))
        self.figures.body_bytes += len(payload)
        if already is not None:
            taken = Taken(already, None)
        else:
            fetched = await self._fetched(payload, beside) if beside else None
            taken = await aside(
                payload, lambda: read_body(self._normaliser, payload, at, check, fetched)
            )
        if known is None or not await aside(payload, lambda: known(taken)):
            await self._keep(payload, at, taken)
        return taken

    async def _fetched(self, payload: bytes, beside: Beside) -> Resources:
        return await beside(await aside(payload, lambda: document_in(payload, self._normaliser)))

    async def _keep(self, payload: bytes, at: datetime, taken: Taken) -> None:
        """Raises NotTakenError where it could not be stored."""
        found, records = await aside(payload, lambda: self._written(payload, at, taken))
        await self._stored(records)
        self._review.note(found)
        self.figures.became(taken.outcome)

    def _written(self, payload: bytes, at: datetime, taken: Taken) -> tuple[Findings, list[Record]]:
        feed, (outcome, document) = self._normaliser.feed, taken
        taken_at = Input(raw_pointer(payload, at, feed.name), at)
        found = self._review.findings(
            taken_at,
            outcome,
            lambda: statement_of_input(payload, document),
            lambda: named_of(document),
        )
        return found, records_of(feed, taken_at, payload, outcome, found.records)

    async def write(self, records: list[Record]) -> None:
        """Make durable what a feed keeps for itself. Raises NotTakenError where that cannot be."""
        await self._stored(records)

    async def _stored(self, records: list[Record]) -> None:
        """Return when they are durable. Raises NotTakenError where they cannot be."""
        done: asyncio.Future[LogError | None] = asyncio.get_running_loop().create_future()
        self._store.put(done, records)
        match await done:
            case None:
                return
            case RecordTooLargeError():
                self.figures.too_large += 1
                trouble = Trouble("too-large", "more than the log takes of one body")
            case _:
                self.figures.not_stored += 1
                trouble = Trouble("not-stored", "the log could not write: send it again")
        raise NotTakenError(trouble)


def read_body(
    normaliser: FhirNormaliser, payload: bytes, at: datetime, check: Check, known: Resources | None
) -> Taken:
    """What a body means. A fault of ours costs one body its use, never the endpoint."""
    document, is_checked = None, False
    try:
        document = read(payload, normaliser.profile.edition)
        check(document)
        is_checked = True
        return Taken(normaliser.outcome_of(document, at, known), document)
    except ResourceRefusedError as refused:
        # What the check refuses is the request around the body, which nobody reads again.
        repeatable = is_checked or document is None
        return Taken(_waiting(refused.trouble, document, repeatable=repeatable), document)
    except Exception as error:  # noqa: BLE001 - the one supervisor of a body
        detail = f"{type(error).__name__} while reading"
        trouble = Trouble("internal-error", detail)
        return Taken(_waiting(trouble, document, repeatable=is_checked), document)


def anything(document: Object) -> None:
    """The check of what is no request: a server's answer, or a body that is read again."""
    del document


def document_in(payload: bytes, normaliser: FhirNormaliser) -> Object:
    """The input for whoever fetches beside it; one that cannot be read refers to nothing."""
    try:
        return read(payload, normaliser.profile.edition)
    except ResourceRefusedError:
        return {"resourceType": ""}


def _most_statements(payload: bytes) -> int:
    """At least as many as the input has Encounters, without reading it."""
    return min(max(1, payload.count(b"Encounter")), MAX_ELEMENTS)


def _too_many_waiting() -> NotTakenError:
    return NotTakenError(Trouble("too-many-waiting", "too much is on its way: send it again"))


def _waiting(trouble: Trouble, document: Object | None, *, repeatable: bool) -> InputOutcome:
    mark_unread = may_mark(document)
    return to_review(replace(trouble, mark_unread=mark_unread, repeatable=repeatable))


def _settle(settled: Sequence[SettledInput[asyncio.Future[LogError | None]]]) -> None:
    for done, error in settled:
        if not done.done():  # whoever waited may have gone
            done.set_result(error)
