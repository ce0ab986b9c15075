"""Reads kept inputs of one feed with today's configuration.

An input keeps its receipt and the pointer to its bytes. Observations sort a microsecond behind their
first receipt, so that one which is another now (more of it resolves) stands behind what it replaces; one
which is the same keeps the first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from adapters.common.feed import Input, ReplayRequest, envelope_record, patient_records
from adapters.common.outcome import InputOutcome
from adapters.common.review import REPLAYED, FeedReview, Findings, of_feed, step_record, waiting
from bus.port import Log, Record
from schemas import topics
from schemas.observation import Observation
from schemas.review import Deed, ReviewItem, ReviewStep
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.kind import (
    Clock,
    FeedEnvironment,
    FeedKind,
    KeptFiles,
    NotReadError,
    ReadingContext,
    Rereader,
)
from wardbridge.ingest.kinds import KINDS, fingerprint_of
from wardbridge.logstore.revisions import foreseen, revised
from wardbridge.reviewing.inputs import find
from wardbridge.reviewing.planned import NO_BYTES, NOT_READ, Cannot, KeptInput, Planned, ReplayedBy
from wardbridge.reviewing.records import open_items
from wardbridge.security.secret import keyer_of

ROUTER: Final = "router|"
"""Begins the ids of the router's own items: only the router can tell whether it meets them again."""

TICK: Final = timedelta(microseconds=1)


class FeedAgain:
    """Plans the replay of one feed's inputs. Raises LogError, SecretError or OSError when made.

    ``is_done``: what is planned is to be written. For a look ahead nothing is, not even the reading's number.
    """

    def __init__(
        self,
        log: Log,
        installation: Installation,
        feed: Feed,
        clock: Clock,
        *,
        is_done: bool = True,
    ) -> None:
        fingerprint = fingerprint_of(feed, installation)
        self._log = log
        self._identity = (
            revised(log, feed.identity, fingerprint, clock)
            if is_done
            else foreseen(log, feed.identity, fingerprint)
        )
        self._own = [
            item
            for item in open_items(log, self._identity.realm)
            if item.feed == self._identity.name
        ]
        self._review = FeedReview(self._identity, [waiting(i) for i in self._own if i.statement])
        self._rereader, self._files = self._made(KINDS[feed.kind], installation, feed, clock)

    def _made(
        self, kind: FeedKind[Any], installation: Installation, feed: Feed, clock: Clock
    ) -> tuple[Rereader | None, KeptFiles | None]:
        data = installation.data
        reading = ReadingContext(
            self._identity, installation.register, keyer_of(self._log, installation), clock,
            describe=installation.settings.identities.keep,
        )  # fmt: skip
        place = FeedEnvironment(self._log, data, review=self._review)
        return (
            kind.rereader and kind.rereader(reading, data, feed.settings),
            kind.kept_files and kind.kept_files(reading, place, feed.settings),
        )

    async def plan(self, inputs: Sequence[KeptInput], who: ReplayedBy) -> AsyncIterator[Planned]:
        """One for each input, in order. Raises LogError."""
        if self._files is not None:
            for each in inputs:
                yield self._of_file(each, who, self._files)
            return
        kept = find(self._log, self._identity.realm, {i.raw.id: i.received_at for i in inputs})
        for each in inputs:
            stored = kept.get(each.raw.id)
            if stored is None or self._rereader is None:
                yield Planned(each.items, cannot=NO_BYTES)
            else:
                yield await self._of_bytes(each, stored.value or b"", who, self._rereader)

    def hand_back(self, sha256: str) -> None:
        """Have the feed read an export again. Raises NotReadError."""
        if self._files is not None:
            self._files.hand_back(sha256)

    async def close(self) -> None:
        """Let go of what reading opened."""
        if self._rereader is not None:
            await self._rereader.close()

    # -- one input -----------------------------------------------------------------------------------

    async def _of_bytes(
        self, kept: KeptInput, payload: bytes, who: ReplayedBy, rereader: Rereader
    ) -> Planned:
        try:
            outcome, statement, named = await rereader.read(payload, kept.received_at)
        except NotReadError as error:
            return Planned(kept.items, cannot=Cannot(NOT_READ, str(error)))
        taken = Input(kept.raw, kept.received_at, ReplayRequest(*who, self._of_router(kept)))
        found = self._review.findings(taken, outcome, lambda: statement, lambda: named)
        self._review.note(found)
        over = self._of_feed_no_more(kept, found)
        envelopes = self._envelopes(taken, outcome)
        remains = frozenset(each.id for each in kept.items if self._review.is_open(each.id))
        records = (
            *envelopes, *patient_records(outcome), *found.records,
            *self._settled(taken, outcome), *(self._step(each, "resolved", who) for each in over),
            *self._replayed(kept, remains, who),
        )  # fmt: skip
        return Planned(kept.items, records, envelopes, remains, _met(found.records))

    def _of_feed_no_more(self, kept: KeptInput, found: Findings) -> list[str]:
        """The items about all that the feed sends, where the input that they came with is read without them now."""
        held = [
            i.id
            for i in kept.items
            if i.statement == of_feed(i.reason) and i.statement not in found.met
        ]
        over = [each for each in held if self._review.is_open(each)]
        for each in over:
            self._review.ended(each)
        return over

    def _envelopes(self, taken: Input, outcome: InputOutcome) -> tuple[Record, ...]:
        if not outcome.observations:
            return ()
        behind = tuple(map(_behind, outcome.observations))
        return (envelope_record(self._identity, taken, replace(outcome, observations=behind)),)

    def _settled(self, taken: Input, outcome: InputOutcome) -> list[Record]:
        """The end of the router's items of an input that is of no concern to it now."""
        if outcome.observations or outcome.trouble or taken.replay is None:
            return []
        again = taken.replay
        return [
            self._step(item, "resolved", ReplayedBy(again.by, again.at)) for item in again.settles
        ]

    def _of_file(self, kept: KeptInput, who: ReplayedBy, files: KeptFiles) -> Planned:
        try:
            _, written = files.foresee(kept.raw.sha256, who.at)
        except NotReadError as error:
            return Planned(kept.items, cannot=Cannot(NOT_READ, str(error)))
        remains = frozenset(each.id for each in kept.items if self._review.is_open(each.id))
        envelopes = tuple(each for each in written if each.topic == topics.OBSERVATIONS)
        records = self._replayed(kept, frozenset(each.id for each in kept.items), who)
        return Planned(
            kept.items, tuple(records), envelopes, remains, _met(written), kept.raw.sha256
        )

    def _of_router(self, kept: KeptInput) -> tuple[str, ...]:
        return tuple(
            item.id for item in self._own
            if item.id.startswith(ROUTER) and item.raw is not None and item.raw.id == kept.raw.id
        )  # fmt: skip

    def _replayed(self, kept: KeptInput, items: frozenset[str], who: ReplayedBy) -> list[Record]:
        return [self._step(each.id, "replayed", who) for each in kept.items if each.id in items]

    def _step(self, item: str, deed: Deed, who: ReplayedBy) -> Record:
        step = ReviewStep(
            item=item, realm=self._identity.realm, deed=deed, at=who.at, by=who.by,
            reason=REPLAYED, revision=self._identity.revision,
        )  # fmt: skip
        return step_record(step)


def _met(records: Sequence[Record]) -> tuple[ReviewItem, ...]:
    values = (each.value for each in records if each.topic == topics.REVIEW)
    return tuple(ReviewItem.model_validate_json(value or b"") for value in values)


def _behind(said: Observation) -> Observation:
    stamp = said.stamp.model_copy(update={"received_at": said.stamp.received_at + TICK})
    return said.model_copy(update={"stamp": stamp})
