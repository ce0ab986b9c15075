"""Read model of the open review items.

Invariants: what is held is what is open by :func:`schemas.review.is_open`, whatever the order in which
items and steps are read; no figure walks over all items. At most :data:`MAX_ITEMS` are held; of more
only how many there are is known, until the log is read anew.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from bus.port import Stored
from bus.records import parsed
from schemas import topics
from schemas.review import ReviewItem, ReviewStep

MAX_ITEMS: Final = 100_000
"""Some 150 MB. A region has dozens; more are one fault met again and again, and one command ends them."""


class ItemPosition(NamedTuple):
    """Where an item stands among all: by time, then id."""

    at: datetime
    id: str


class ItemKind(NamedTuple):
    """What items are counted by."""

    feed: str
    reason: str


class OpenItems(NamedTuple):
    """The open items of one feed and reason; none any more: ``oldest_at`` is None."""

    feed: str
    reason: str
    open: int
    mark_unread: int
    oldest_at: datetime | None


class _Entry(NamedTuple):
    place: ItemPosition
    last_met: datetime
    kind: ItemKind
    mark_unread: bool
    value: bytes


@dataclass(slots=True)
class _Ends:
    """What was done to end one item."""

    is_discarded: bool = False
    resolved_at: datetime | None = None

    def end_one_of(self, at: datetime) -> bool:
        return self.is_discarded or (self.resolved_at is not None and self.resolved_at >= at)


@dataclass(slots=True)
class _Count:
    """Of one kind; ``order`` has the place of each."""

    mark_unread: int = 0
    order: list[ItemPosition] = field(default_factory=list)


class Index:
    """Fed by one thread, asked by any."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._max_items = max_items
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Nothing is known; it is to be fed anew."""
        with self._lock:
            self._open: dict[str, _Entry] = {}
            self._ends: dict[str, _Ends] = {}
            self._order: list[ItemPosition] = []
            self._counts: dict[ItemKind, _Count] = {}
            self._beyond = 0

    def take(self, stored: Stored) -> None:
        """A record of either topic; what cannot be read says nothing."""
        with self._lock:
            if stored.topic == topics.REVIEW:
                self._take_item(stored)
            elif step := parsed(ReviewStep, stored):
                self._take_step(step)

    # -- what is asked ---------------------------------------------------------------------------

    def waiting(self) -> list[OpenItems]:
        """How many there are of each kind that was ever met, also where none is open now."""
        with self._lock:
            return [
                OpenItems(
                    *kind, len(of.order), of.mark_unread, of.order[0].at if of.order else None
                )
                for kind, of in sorted(self._counts.items())
            ]

    @property
    def beyond(self) -> int:
        """How many more there are than are held: counted under no kind."""
        return self._beyond

    @property
    def is_to_be_read_anew(self) -> bool:
        """Whether there is room for what was left out."""
        return bool(self._beyond) and len(self._open) < self._max_items // 2

    def items(
        self, chosen: Callable[[ReviewItem], bool], after: ItemPosition | None, limit: int
    ) -> list[ReviewItem]:
        """The next open items that are chosen, oldest first, behind a place."""
        found: list[ReviewItem] = []
        for value in self._values(after):
            item = ReviewItem.model_validate_json(value)
            if chosen(item):
                found.append(item)
                if len(found) == limit:
                    break
        return found

    def _values(self, after: ItemPosition | None) -> Iterator[bytes]:
        with self._lock:
            start = bisect_right(self._order, after) if after else 0
            places: Sequence[ItemPosition] = self._order[start:]
        for place in places:
            entry = self._open.get(place.id)
            if entry is not None:  # ended meanwhile
                yield entry.value

    # -- how, under the lock -----------------------------------------------------------------------

    def _take_item(self, stored: Stored) -> None:
        if stored.key is None:
            return
        self._close(stored.key)
        item = parsed(ReviewItem, stored)
        if item is None:
            self._ends.pop(stored.key, None)
            return
        ends = self._ends.get(item.id)
        if ends is not None and ends.end_one_of(item.last_met):
            return
        if len(self._open) >= self._max_items:
            self._beyond += 1
            return
        self._add(item, stored.value or b"")

    def _take_step(self, step: ReviewStep) -> None:
        ends = self._ends.setdefault(step.item, _Ends())
        if step.deed == "discarded":
            ends.is_discarded = True
        elif step.deed == "resolved":
            ends.resolved_at = max(step.at, ends.resolved_at or step.at)
        entry = self._open.get(step.item)
        if entry is not None and ends.end_one_of(entry.last_met):
            self._close(step.item)

    def _add(self, item: ReviewItem, value: bytes) -> None:
        kind, place = ItemKind(item.feed, item.reason), ItemPosition(item.at, item.id)
        self._open[item.id] = _Entry(place, item.last_met, kind, item.mark_unread, value)
        count = self._counts.setdefault(kind, _Count())
        count.mark_unread += item.mark_unread
        insort(count.order, place)
        insort(self._order, place)

    def _close(self, item_id: str) -> None:
        entry = self._open.pop(item_id, None)
        if entry is not None:
            count = self._counts[entry.kind]
            count.mark_unread -= entry.mark_unread
            del count.order[bisect_left(count.order, entry.place)]
            del self._order[bisect_left(self._order, entry.place)]
