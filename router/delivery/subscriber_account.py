"""The delivery state of one subscriber: its numbers, its lanes, its row. No I/O.

Every record of the subscriber's queue before the group's position is in one of three places: it has ended; it is
open in memory (``lanes``); or it is *left* in the log, to be read again from a place that is kept. What is left
is one lane's (``left``), because the lane has no more room, or it is all of them (``rest``): of a subscriber that
is paused, is not told by this process, or has :data:`LANES` lanes already.

Invariants: a lane's notices in memory come before what is left of it. The row names, for each lane, its first
open notice; so whoever goes on from the row sends what is open and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bus.port import Stored
from router.delivery.lanes import Lanes
from router.delivery.queue import (
    QueuedNotice,
    QueuePosition,
    counted,
    notification_of,
    queued,
    repeats,
)
from schemas.delivery import Backlog, SubscriberState, Tried

LANES: Final = 1_000
"""Lanes with open notices: twice a region's wards. It bounds the row, which is below 100 kB."""


class UnreadableError(Exception):
    """A record of the queue that holds no notice: its number stays unused."""


@dataclass(slots=True)
class Left:
    """From here on, notices are in the log only."""

    offset: int
    given: int
    waiting: int

    @property
    def place(self) -> QueuePosition:
        """Where to read on."""
        return QueuePosition(self.offset, self.given)

    def mark(self, more: int = 0) -> Backlog:
        """As the row has it."""
        return Backlog(offset=self.offset, sequence=self.given, waiting=self.waiting + more)

    def move_to(self, place: QueuePosition) -> None:
        """Everything before was looked at."""
        self.offset, self.given = place


class SubscriberAccount:
    """One subscriber's."""

    def __init__(self, state: SubscriberState) -> None:
        self.name = state.subscriber
        self.sequence = state.sequence
        self.position = state.position
        self.endpoint = state.endpoint
        self.paused = state.paused
        self.introduced = state.introduced
        self.tried: Tried | None = state.tried
        self.lanes: Lanes | None = None
        """None while nobody here sends to the subscriber."""
        self._left = {ward: _left(mark) for ward, mark in state.lanes.items()}
        self._rest = _left(state.rest) if state.rest else None

    # -- who sends to it

    def open_lanes(self, lanes: Lanes) -> None:
        """Somebody sends to it from now on."""
        self.lanes = lanes

    def close_lanes(self) -> None:
        """Nobody does any longer: what is open is left in the log. No attempt is under way."""
        self._left = {ward: _left(mark) for ward, mark in self._marks()}
        self.lanes = None

    # -- the next record of the queue

    def take(self, stored: Stored) -> None:
        """Count a record and open its notice, or leave it; one that was counted is passed over.

        Raises UnreadableError; the record is counted all the same.
        """
        if stored.offset < self.position:
            return
        place = QueuePosition(stored.offset, self.sequence)
        self.sequence += repeats(stored) is None
        self.position = stored.offset + 1
        if self._rest is not None:
            self._rest.waiting += 1
        elif self.lanes is None or self.paused is not None:
            self._rest = Left(*place, 1)
        else:
            self._open(self.lanes, _read(stored, place))
        self._tell_barrier()

    def _open(self, lanes: Lanes, each: QueuedNotice) -> None:
        ward = each.out.notice.subject
        if (left := self._left.get(ward)) is not None:
            left.waiting += 1
        elif ward not in lanes and len(lanes) + len(self._left) >= LANES:
            self._rest = Left(*each.place, 1)
        elif lanes.has_room(ward):
            lanes.put(each)
        else:
            self._left[ward] = Left(*each.place, 1)

    # -- what was left

    def to_read(self) -> QueuePosition | None:
        """Where to read on, because there is room for what was left; None where there is not, or nothing was."""
        if self.lanes is None or self.paused is not None:
            return None
        places = [left.place for ward, left in self._left.items() if ward not in self.lanes]
        if self._rest is not None and len(self.lanes) + len(self._left) < LANES:
            places.append(self._rest.place)
        return min(places, default=None)

    def read_on(
        self, start: QueuePosition, found: Sequence[Stored], end: int, position: int
    ) -> list[Stored]:
        """Open what was left, as far as there is room; the records that cannot be read.

        ``found``: the subscriber's records from ``start``, which :meth:`to_read` gave, up to ``end``.
        ``position``: the records before it have been given to :meth:`take`.
        """
        if self.lanes is None:
            return []
        end, unreadable = min(end, position), []
        given, full = start.given, set[str]()
        for stored in found:
            place = QueuePosition(stored.offset, given)
            if stored.offset >= end or not self._has_lane_for(place):
                end = min(end, stored.offset)
                break
            given += repeats(stored) is None
            try:
                self._open_again(self.lanes, _read(stored, place), start, given, full)
            except UnreadableError:
                unreadable.append(stored)
        self._move(start, QueuePosition(end, given), position, full)
        self._tell_barrier()
        return unreadable

    def _has_lane_for(self, place: QueuePosition) -> bool:
        """Whether what is left of all lanes may be opened on; a lane's own always may."""
        is_of_rest = self._rest is not None and place.offset >= self._rest.offset
        return not is_of_rest or len(self.lanes or ()) + len(self._left) < LANES

    def _open_again(
        self, lanes: Lanes, each: QueuedNotice, start: QueuePosition, given: int, full: set[str]
    ) -> None:
        ward, offset = each.out.notice.subject, each.place.offset
        left, rest = self._left.get(ward), self._rest
        if rest is not None and offset >= rest.offset:
            rest.waiting -= 1
            if left is None:
                left = self._left[ward] = Left(*each.place, 0)
            left.waiting += 1
        if left is None or not start.offset <= left.offset <= offset or ward in full:
            return
        left.move_to(each.place)
        if lanes.has_room(ward):
            lanes.put(each)
            left.waiting -= 1
            left.move_to(QueuePosition(offset + 1, given))
        else:
            full.add(ward)

    def _move(
        self, start: QueuePosition, end: QueuePosition, position: int, full: set[str]
    ) -> None:
        """Everything between the two was looked at."""
        rest = self._rest
        if rest is not None and start.offset <= rest.offset < end.offset:
            rest.move_to(end)
        if rest is not None and rest.offset >= position:
            rest = self._rest = None
        beyond = position if rest is None else rest.offset
        for ward, left in list(self._left.items()):
            if ward not in full and start.offset <= left.offset < end.offset:
                left.move_to(end)
            if left.offset >= beyond:
                del self._left[ward]

    def lose_before(self, start: int, kept: Sequence[Stored], position: int) -> int:
        """What was left before ``start`` is no longer in the log; how many notices that were.

        ``kept``: the subscriber's records from ``start`` up to ``position``.
        """
        place = QueuePosition(start, self.sequence - counted(kept))
        kept_of = Counter(notification_of(each.value or b"").subject for each in kept)
        before = sum(self.waiting().values())
        if self._rest is not None and self._rest.offset < start:
            self._rest = Left(*place, len(kept))
            self._left = {w: left for w, left in self._left.items() if left.offset >= start}
        for ward, left in self._left.items():
            if left.offset < start:
                left.move_to(place)
                left.waiting = min(left.waiting, kept_of[ward])
        self._move(place, place, position, set())
        return before - sum(self.waiting().values())

    def lose_all(self) -> None:
        """Nothing that is open is in the log any more, nor what came next: a number stays unused."""
        self.sequence += 1
        self._left, self._rest = {}, None

    # -- how it is

    @property
    def has_left(self) -> bool:
        """Whether anything that is open is in the log only."""
        return bool(self._left) or self._rest is not None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open."""
        return not (self._left or self._rest or (self.lanes and len(self.lanes)))

    def waiting(self) -> Mapping[str, int]:
        """By ward, how many notices are open; under the empty name those of which nobody knows the ward.

        From any thread.
        """
        found = {ward: left.waiting for ward, left in list(self._left.items())}
        for lane in self.lanes or ():
            found[lane.ward] = found.get(lane.ward, 0) + len(lane.queue)
        rest = self._rest
        return found | ({"": rest.waiting} if rest else {})

    def row(self) -> SubscriberState:
        """What is kept of it."""
        return SubscriberState(
            subscriber=self.name, sequence=self.sequence, position=self.position,
            lanes=dict(self._marks()), rest=self._rest.mark() if self._rest else None,
            endpoint=self.endpoint, paused=self.paused, introduced=self.introduced,
            tried=self.tried,
        )  # fmt: skip

    def _marks(self) -> Iterator[tuple[str, Backlog]]:
        lanes = self.lanes
        for ward, left in self._left.items():
            if lanes is None or ward not in lanes:
                yield ward, left.mark()
        for lane in lanes or ():
            left_over = self._left.get(lane.ward)
            first = Left(*lane.head.place, len(lane.queue))
            yield lane.ward, first.mark(left_over.waiting if left_over else 0)

    def _tell_barrier(self) -> None:
        if self.lanes is not None and self.lanes.keeps_visits:
            self.lanes.wait_for(min((each.offset for each in self._left.values()), default=None))


def _left(mark: Backlog) -> Left:
    return Left(mark.offset, mark.sequence, mark.waiting)


def _read(stored: Stored, place: QueuePosition) -> QueuedNotice:
    try:
        return queued(stored, place.given)
    except ValueError:
        raise UnreadableError from None
