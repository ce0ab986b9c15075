"""What a person does about review: look, replay, resolve, discard. Used by the service and by commands.

Invariant: who did what and why is a record of its own beside the item, and nothing of an item is lost by
it. What is done to many is done to those that are open when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from difflib import get_close_matches
from typing import Final, NamedTuple

from adapters.common.review import step_record
from bus.port import Log
from schemas import topics
from schemas.review import Deed, ReviewItem, ReviewStep
from wardbridge.config.models import Installation
from wardbridge.ingest.kind import Clock, KeptFiles, NotReadError
from wardbridge.reviewing.following import TopicFollower
from wardbridge.reviewing.index import Index, ItemPosition
from wardbridge.reviewing.planned import Cannot, Planned
from wardbridge.reviewing.preview import Foreseen
from wardbridge.reviewing.reasons import REASONS
from wardbridge.reviewing.records import ReviewedItem, every
from wardbridge.reviewing.replay import InputReplay
from wardbridge.reviewing.selection import Filter, Selection, State
from wardbridge.reviewing.settling import SettledReplay, Settling
from wardbridge.reviewing.showing import Evidence, Showing
from wardbridge.security.secret import SecretError

MAX_AT_ONCE: Final = 10_000
"""Items that one call does something about: the oldest first, and it says that there are more."""

STEPS_AT_ONCE: Final = 500


class Chosen(NamedTuple):
    """Items, and whether there are more than are dealt with at once."""

    items: Sequence[ReviewItem]
    has_more: bool


class Replayed(NamedTuple):
    """What became, or would become, of the inputs; what wards are told; whether there are more.

    ``settled``: what feeds and router have made of it, where that was waited for and is known.
    """

    inputs: Sequence[Planned]
    ahead: Foreseen | None
    has_more: bool
    settled: SettledReplay | None = None


class Desk:
    """Over the log of one installation; ``index`` holds what is open."""

    def __init__(self, log: Log, installation: Installation, clock: Clock, index: Index) -> None:
        self._log = log
        self._installation = installation
        self._clock = clock
        self._index = index
        self._feeds = {feed.identity.name for feed in installation.feeds}
        self._busy = asyncio.Lock()

    def refusal(self, wanted: Filter) -> str | None:
        """Why a feed or reason that is asked for is none, with those that there are. Raises LogError."""
        is_known = wanted.reason is None or wanted.reason in REASONS
        if is_known and (wanted.feed is None or wanted.feed in self._feeds):
            return None
        kept = [each.item for each in every(self._log)]
        return _unknown(
            "feed", wanted.feed, {item.feed for item in kept} | self._feeds
        ) or _unknown("reason", wanted.reason, {item.reason for item in kept}, REASONS)

    # -- looking -------------------------------------------------------------------------------------

    def page(
        self, wanted: Filter, state: State, after: ItemPosition | None, limit: int
    ) -> Sequence[ReviewedItem]:
        """The next items behind a place, oldest first; who ended them stands with them. Raises LogError."""
        if state == "open":
            items = self._index.items(wanted.takes, after, limit)
            return [ReviewedItem(item, (), is_open=True) for item in items]
        behind = after or ItemPosition(datetime.min.replace(tzinfo=self._clock().tzinfo), "")
        found = [
            each
            for each in every(self._log)
            if (state == "all" or not each.is_open)
            and wanted.takes(each.item)
            and ItemPosition(each.item.at, each.item.id) > behind
        ]
        return sorted(found, key=lambda each: ItemPosition(each.item.at, each.item.id))[:limit]

    def one(self, item_id: str) -> ReviewedItem | None:
        """An item by its id, open or not. Raises LogError."""
        return next(iter(self._named([item_id])), None)

    def evidence(self, item: ReviewItem) -> Evidence | Cannot:
        """The input of an item, or why there is none. Raises LogError."""
        return Showing(self._log, self._installation, self._clock).evidence(item)

    # -- doing ---------------------------------------------------------------------------------------

    def chosen(self, selection: Selection) -> Chosen:
        """The items that are meant. Raises LogError."""
        if selection.ids:
            return Chosen([each.item for each in self._named(selection.ids)], has_more=False)
        found = self._index.items(selection.takes, None, MAX_AT_ONCE + 1)
        return Chosen(found[:MAX_AT_ONCE], len(found) > MAX_AT_ONCE)

    async def replay(self, chosen: Chosen, by: str, wait_s: float = 0.0) -> Replayed:
        """Read the inputs of items again, and wait for what feeds and router make of it. Raises LogError."""
        began_at = self._clock()
        async with self._busy:  # in a thread: nobody's board waits while thousands are read
            done = await asyncio.to_thread(asyncio.run, self._replayed(chosen, by))
        return (
            done._replace(settled=await self._settled(done, began_at, wait_s)) if wait_s else done
        )

    async def _settled(
        self, done: Replayed, began_at: datetime, wait_s: float
    ) -> SettledReplay | None:
        try:
            files = await asyncio.to_thread(self._files_of, done.inputs)
            return await Settling(self._log, done.inputs, began_at, files).within(wait_s)
        except (
            SecretError,
            OSError,
            NotReadError,
        ):  # the replay is done, and this says nothing of it
            return None

    def _files_of(self, inputs: Sequence[Planned]) -> dict[str, KeptFiles]:
        showing = Showing(self._log, self._installation, self._clock)
        names = {each.items[0].feed for each in inputs if each.sha256}
        return {name: files for name in names if (files := showing.files_of(name))}

    async def preview(
        self, chosen: Chosen, by: str, has_gone: Callable[[], bool] = lambda: False
    ) -> Replayed:
        """Only say what would come of it; with ``has_gone`` for as long as somebody waits, asked from any thread.

        Raises LogError or NobodyAsksError.
        """
        async with self._busy:
            return await asyncio.to_thread(asyncio.run, self._foreseen(chosen, by, has_gone))

    async def _replayed(self, chosen: Chosen, by: str) -> Replayed:
        async with InputReplay(self._log, self._installation, self._clock) as replay:
            plan = await replay.plan(chosen.items, by)
            return Replayed(replay.do(plan), None, chosen.has_more)

    async def _foreseen(self, chosen: Chosen, by: str, has_gone: Callable[[], bool]) -> Replayed:
        log, installation, clock = self._log, self._installation, self._clock
        async with InputReplay(log, installation, clock, has_gone, is_done=False) as replay:
            plan = await replay.plan(chosen.items, by)
            return Replayed(plan, replay.look_ahead(plan), chosen.has_more)

    async def end(self, chosen: Chosen, deed: Deed, by: str, reason: str) -> None:
        """Resolve or discard items. Raises LogError."""
        async with self._busy:
            await asyncio.to_thread(self._end, chosen.items, deed, by, reason)

    def _end(self, items: Sequence[ReviewItem], deed: Deed, by: str, reason: str) -> None:
        now = self._clock()
        steps = [
            ReviewStep(
                item=i.id, realm=i.realm, deed=deed, at=max(now, i.last_met), by=by, reason=reason
            )
            for i in items
        ]
        records = [*map(step_record, steps)]
        for start in range(0, len(records), STEPS_AT_ONCE):
            self._log.append(records[start : start + STEPS_AT_ONCE])

    # -- how -----------------------------------------------------------------------------------------

    def _named(self, ids: Sequence[str]) -> Sequence[ReviewedItem]:
        wanted = set(ids)
        return [each for each in every(self._log) if each.item.id in wanted]


def _unknown(
    what: str, name: str | None, kept: AbstractSet[str], others: AbstractSet[str] = frozenset()
) -> str | None:
    """Why the name is none: neither among those of what is kept nor among the others."""
    if name is None or name in kept or name in others:
        return None
    near = get_close_matches(name, [*kept, *others], 1)
    meant = f" (is {near[0]!r} meant?)" if near else ""
    there = ", ".join(sorted(kept)) or "none"
    return f"there is no {what} {name!r}{meant}; of what is kept here there is {there}"


def index_of(log: Log) -> Index:
    """What is open now, for whoever does not follow it. Raises LogError."""
    index = Index()
    for stored in TopicFollower(log, (topics.REVIEWED, topics.REVIEW)).look():
        index.take(stored)
    return index
