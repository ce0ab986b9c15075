"""Past notices of a subscriber by number, read from the log by any process.

A number is found by counting back from the row, which says how many notices lie before which offset.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
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
class QueueHistory:
    """One subscriber's notices that are kept: where each stands, those that wait among them."""

    log: Log
    state: SubscriberState
    first: int
    """Number of the oldest that was looked for."""
    offsets: Sequence[int]

    @property
    def last(self) -> int:
        """Number of the newest; one less than the first where nothing is kept."""
        return self.first + len(self.offsets) - 1

    def since(self, number: int) -> Iterator[Outgoing]:
        """From that number on, or the oldest kept after it. Raises LogError."""
        for stored in self.records(number):
            yield queued(stored, self.number_of(stored) - 1).out

    def records(self, number: int) -> Iterator[Stored]:
        """Their records. Raises LogError."""
        start = max(number - self.first, 0)
        if start < len(self.offsets):
            own = _own(self.log, self.state.subscriber, self.offsets[start])
            yield from (
                each for each in own if repeats(each) is None and each.offset <= self.offsets[-1]
            )

    def number_of(self, stored: Stored) -> int:
        """Of a record that has one of its own."""
        return self.first + bisect_left(self.offsets, stored.offset)

    def is_open(self, stored: Stored) -> bool:
        """Whether a notice has not ended yet, as far as that is committed."""
        lane = self.state.lanes.get(notification_of(stored.value or b"").subject)
        starts = [mark.offset for mark in (lane, self.state.rest) if mark is not None]
        return stored.offset >= min([self.state.position, *starts])


def history_of(log: Log, subscriber: str, first: int = 1, offset: int = 0) -> QueueHistory:
    """What is kept from a number on, or from an offset on, whichever comes later. Raises LogError.

    It is counted back from where the subscriber is, so that what happened long ago costs those only who ask for it.
    """
    state, at = state_of(log, subscriber), partition_of(log, subscriber)
    start = log.starts(at.topic)[at.partition]
    before: array[int] = array("Q")  # the newest first
    end = max(state.position, start)
    while end > max(start, offset) and state.sequence - len(before) >= first:
        begin = max(end - PAGE_RECORDS, start)
        page = [each for each in log.scan(at, begin, PAGE_RECORDS) if each.offset < end]
        before.extend(reversed(_new(page, subscriber)))
        end = begin
    after = _new(_own(log, subscriber, max(state.position, start)), subscriber)
    return QueueHistory(log, state, state.sequence - len(before) + 1, before[::-1] + after)


def _new(records: Iterable[Stored], subscriber: str) -> array[int]:
    """The offsets of those that have a number of their own."""
    own = own_of(records, subscriber)
    return array("Q", (each.offset for each in own if repeats(each) is None))


class OpenNotice(NamedTuple):
    """The oldest open notice of a ward, as far as that is committed."""

    out: Outgoing
    waiting: int
    """How many are open, itself among them."""


def open_of(log: Log, state: SubscriberState) -> Iterator[OpenNotice]:
    """One for each ward that has any; what nobody has looked at yet is not among them. Raises LogError."""
    for mark in state.lanes.values():
        head = next(_own(log, state.subscriber, mark.offset), None)
        if head is not None:
            yield OpenNotice(queued(head, mark.sequence).out, mark.waiting)


class Again(NamedTuple):
    """What was queued anew, and the number from which there may be more."""

    queued: Sequence[int]
    next: int | None


def send_again(
    log: Log,
    subscriber: str,
    first: int,
    last: int,
    is_meant: Callable[[Outgoing], bool] = lambda _: True,
) -> Again:
    """Queue notices anew that have ended, each under the number that it has.

    Those that are not kept, have not ended or are not meant are left out, and so is what is more than
    :data:`REPLAYED_AT_ONCE`. Raises LogError.
    """
    history = history_of(log, subscriber, first)
    records: list[Record] = []
    number = first
    for stored in history.records(first):
        number = history.number_of(stored)
        if number > last or len(records) == REPLAYED_AT_ONCE:
            break
        if not history.is_open(stored) and is_meant(queued(stored, number - 1).out):
            header = (SEQUENCE, str(number).encode())
            records.append(Record(topics.OUTGOING, subscriber, subscriber, stored.value, (header,)))
    if records:
        log.append(records)
    is_more = len(records) == REPLAYED_AT_ONCE and number < min(last, history.last)
    return Again(
        [int(dict(each.headers)[SEQUENCE]) for each in records], number if is_more else None
    )


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
