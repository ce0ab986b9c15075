"""Waits until feeds and router have decided what a replay gave them.

Invariant: nothing is called settled before everyone who decides about it has decided and written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from bus.port import Log, TopicPartition
from router.core.step import GROUP
from schemas import topics
from schemas.review import ReviewItem
from wardbridge.ingest.kind import KeptFiles
from wardbridge.reviewing.planned import Planned
from wardbridge.reviewing.records import every

LOOK_EVERY_S: Final = 0.1


class SettledReplay(NamedTuple):
    """The items that are open still, and those that were met instead in the inputs that were read."""

    open: frozenset[str]
    met: tuple[ReviewItem, ...]


class Settling:
    """One replay that was done; ``files``: of each feed whose inputs are files."""

    def __init__(
        self, log: Log, plan: Sequence[Planned], began_at: datetime, files: Mapping[str, KeptFiles]
    ) -> None:
        self._log = log
        self._plan = plan
        self._began_at = began_at
        self._unread = [
            (files[each.items[0].feed], each.sha256)
            for each in plan
            if each.sha256 and each.cannot is None
        ]
        self._ends: Mapping[int, int] | None = None

    async def within(self, wait_s: float) -> SettledReplay | None:
        """What became of it; None where that is not known in time. Raises LogError or NotReadError."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + wait_s
        while not await asyncio.to_thread(self._is_over):
            if loop.time() >= ends_at:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
        return await asyncio.to_thread(self._settled)

    def _is_over(self) -> bool:
        """First the feeds have to have written what they read, then the router has to have decided it."""
        self._unread = [(files, sha256) for files, sha256 in self._unread if not files.has(sha256)]
        if self._unread:
            return False
        self._ends = self._ends or self._log.ends(topics.OBSERVATIONS)
        decided = self._log.committed(GROUP)
        ends = {TopicPartition(topics.OBSERVATIONS, each): end for each, end in self._ends.items()}
        starts = self._log.starts(topics.OBSERVATIONS)
        return not any(
            self._waits(at, decided.get(at, starts[at.partition]), end) for at, end in ends.items()
        )

    def _waits(self, at: TopicPartition, position: int, end: int) -> bool:
        """Whether a record stands before the end: offsets have holes."""
        return position < end and any(
            stored.offset < end for stored in self._log.scan(at, position, 1)
        )

    def _settled(self) -> SettledReplay:
        own = {item.id for each in self._plan for item in each.items}
        inputs = {item.raw.sha256 for each in self._plan for item in each.items if item.raw}
        waiting = [each.item for each in every(self._log) if each.is_open]
        return SettledReplay(
            frozenset(item.id for item in waiting if item.id in own),
            tuple(item for item in waiting if item.id not in own and self._is_of(item, inputs)),
        )

    def _is_of(self, item: ReviewItem, inputs: set[str]) -> bool:
        is_new = item.last_met >= self._began_at
        return is_new and item.raw is not None and item.raw.sha256 in inputs
