"""What has happened for a subscriber, by number: read from the log, by any process.

A number is found by counting back from the row, which says how many notices lie before which offset.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bus.belonging import is_position_row
from bus.port import Log, Record, Stored, TopicPartition
from router.delivery.channel import Outgoing
from router.delivery.queue import (
    PAGE_RECORDS,
    SEQUENCE,
    notification_of,
    own_of,
    partition_of,
    queued,
    repeats,
)
from schemas import topics
from schemas.delivery import Backlog, SubscriberState

REPLAYED_AT_ONCE: Final = 1_000
"""Notices that one request may queue anew."""


def state_of(log: Log, subscriber: str) -> SubscriberState:
    """As last committed; of one that is new, as it begins. Raises LogError."""
    partition = log.partition_of(topics.SUBSCRIBERS, subscriber)
    for row in log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
        if row.key == subscriber:
            return SubscriberState.model_validate_json(row.value or b"")
    return SubscriberState(subscriber=subscriber)


@dataclass(frozen=True, slots=True)
class History:
    """One subscriber's notices that are kept: where each stands, those that wait among them."""

    log: Log
    state: SubscriberState
    first: int
    """Number of the oldest."""
    offsets: Sequence[int]

    @property
    def last(self) -> int:
        """Number of the newest; one less than the first where nothing is kept."""
        return self.first + len(self.offsets) - 1

    def since(self, number: int) -> Iterator[Outgoing]:
        """From that number on, or the oldest kept after it. Raises LogError."""
        start = max(number - self.first, 0)
        if start < len(self.offsets):
            given = self.first + start - 1
            for stored in _own(self.log, self.state.subscriber, self.offsets[start]):
                if repeats(stored) is None:
                    yield queued(stored, given).out
                    given += 1

    def record(self, number: int) -> Stored | None:
        """The record of a number; None where it is not kept. Raises LogError."""
        if not self.first <= number <= self.last:
            return None
        own = _own(self.log, self.state.subscriber, self.offsets[number - self.first])
        return next(own, None)

    def is_open(self, stored: Stored) -> bool:
        """Whether a notice has not ended yet, as far as that is committed."""
        lane = self.state.lanes.get(notification_of(stored.value or b"").subject)
        starts = [mark.offset for mark in (lane, self.state.rest) if mark is not None]
        return stored.offset >= min([self.state.position, *starts])


def history_of(log: Log, subscriber: str) -> History:
    """All that is kept. Raises LogError."""
    state = state_of(log, subscriber)
    start = log.starts(topics.OUTGOING)[partition_of(log, subscriber).partition]
    own = _own(log, subscriber, start)
    offsets = array("Q", (each.offset for each in own if repeats(each) is None))
    counted = sum(offset < state.position for offset in offsets)
    return History(log, state, state.sequence - counted + 1, offsets)


class Open(NamedTuple):
    """The oldest open notice of a ward, as far as that is committed."""

    out: Outgoing
    waiting: int
    """How many are open, itself among them."""


def open_of(log: Log, state: SubscriberState) -> Iterator[Open]:
    """One for each ward that has any; what nobody has looked at yet is not among them. Raises LogError."""
    for mark in state.lanes.values():
        head = next(_own(log, state.subscriber, mark.offset), None)
        if head is not None:
            yield Open(queued(head, mark.sequence).out, mark.waiting)


def send_again(log: Log, subscriber: str, first: int, last: int) -> list[int]:
    """Queue notices anew that have ended, each under the number that it has; which those are.

    Those that are not kept, or have not ended, are left out, and so is what is more than
    :data:`REPLAYED_AT_ONCE`. Raises LogError.
    """
    history = history_of(log, subscriber)
    records = []
    for number in range(max(first, history.first), min(last, history.last) + 1):
        stored = history.record(number)
        if stored is not None and not history.is_open(stored):
            header = (SEQUENCE, str(number).encode())
            records.append(Record(topics.OUTGOING, subscriber, subscriber, stored.value, (header,)))
        if len(records) == REPLAYED_AT_ONCE:
            break
    if records:
        log.append(records)
    return [int(dict(each.headers)[SEQUENCE]) for each in records]


def moved(stored: Stored, removed: int) -> Stored:
    """A row as it is to be where offsets of ``outgoing`` are lower by so many; another's as it is."""
    if stored.is_foreign or is_position_row(stored.key):
        return stored
    state = SubscriberState.model_validate_json(stored.value or b"")
    marks = {ward: _moved(mark, removed) for ward, mark in state.lanes.items()}
    new = state.model_copy(update={
        "position": max(state.position - removed, 0), "lanes": marks,
        "rest": _moved(state.rest, removed) if state.rest else None,
    })  # fmt: skip
    return stored._replace(value=new.model_dump_json().encode())


def _moved(mark: Backlog, removed: int) -> Backlog:
    return mark.model_copy(update={"offset": max(mark.offset - removed, 0)})


def _own(log: Log, subscriber: str, offset: int) -> Iterator[Stored]:
    at = partition_of(log, subscriber)
    while found := log.scan(at, offset, PAGE_RECORDS):
        yield from own_of(found, subscriber)
        offset = found[-1].offset + 1
