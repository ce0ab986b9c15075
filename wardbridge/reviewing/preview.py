"""Computes which notices a replay would cause: the router's own step over a copy of its state.

The copy is what the router has committed and what waits for it, so that it is as far as the router will
be. Nothing is written. What is previewed and then done is what is told, unless something else comes in
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from bus.belonging import PositionRows
from bus.port import Log, Record, Stored, TopicPartition
from bus.records import parsed
from router.core.partition import RouterState
from router.core.step import GROUP, RouterStep
from schemas import topics
from schemas.notification import Notification
from schemas.review import ReviewItem, ReviewStep
from wardbridge.routing.step import review_of_failure

SCAN_RECORDS: Final = 1_000


class Foreseen(NamedTuple):
    """What the router would say: to wards, and in review (met anew, and ended)."""

    notices: tuple[Notification, ...]
    met: tuple[ReviewItem, ...]
    ended: frozenset[str]


class Copy:
    """The router's state of one partition, as of now. Raises LogError."""

    def __init__(self, log: Log, step: RouterStep, partition: int) -> None:
        self._step = step
        self._partition = partition
        positions = log.committed(GROUP)  # before the state, which is then never older
        self._state = _restored(log, step, partition)
        for stored in _waiting(log, step, partition, positions):
            self._decided(stored)

    def decide(self, envelope: Record, at_ms: int) -> Sequence[Record]:
        """What one more envelope leads to."""
        stored = Stored(
            topics.OBSERVATIONS, self._partition, 0, envelope.key, envelope.value, (), at_ms
        )
        return self._decided(stored)

    def _decided(self, stored: Stored) -> Sequence[Record]:
        try:
            return self._step.decide(self._state, stored)
        except Exception as error:  # noqa: BLE001 - as for the router: no record stops the others
            return review_of_failure(stored, error)


def foreseen(log: Log, step: RouterStep, envelopes: Iterable[Record], at_ms: int) -> Foreseen:
    """What these envelopes would lead to, one after the other. Raises LogError."""
    copies: dict[int, Copy] = {}
    outputs: list[Record] = []
    for envelope in envelopes:
        partition = log.partition_of(topics.OBSERVATIONS, envelope.route)
        if partition not in copies:
            copies[partition] = Copy(log, step, partition)
        outputs += copies[partition].decide(envelope, at_ms)
    read = [_as_stored(each) for each in outputs]
    notices = (parsed(Notification, each) for each in read if each.topic == topics.DESIGNATIONS)
    met = (parsed(ReviewItem, each) for each in read if each.topic == topics.REVIEW)
    steps = (parsed(ReviewStep, each) for each in read if each.topic == topics.REVIEWED)
    return Foreseen(
        tuple(filter(None, notices)),
        tuple(filter(None, met)),
        frozenset(step.item for step in steps if step is not None),
    )


def _restored(log: Log, step: RouterStep, partition: int) -> RouterState:
    state = step.empty(partition)
    rows = PositionRows(log, GROUP, topics.STATE)
    for topic in step.state_topics:
        for stored in log.load(TopicPartition(topic, partition)):
            if not (rows.is_one(stored) or stored.is_foreign):
                step.restore(state, stored)
    return state


def _waiting(
    log: Log, step: RouterStep, partition: int, positions: Mapping[TopicPartition, int]
) -> Iterator[Stored]:
    """What the router has not decided yet, oldest first."""
    places = [TopicPartition(topic, partition) for topic in step.inputs]
    begins = (max(positions.get(at, 0), log.starts(at.topic)[partition]) for at in places)
    unread = (_from(log, at, begin) for at, begin in zip(places, begins, strict=True))
    return merge(*unread, key=attrgetter("timestamp_ms"))


def _from(log: Log, at: TopicPartition, offset: int) -> Iterator[Stored]:
    end = log.ends(at.topic)[at.partition]
    while offset < end and (found := log.scan(at, offset, SCAN_RECORDS)):
        yield from (stored for stored in found if stored.offset < end)
        offset = found[-1].offset + 1


def _as_stored(record: Record) -> Stored:
    return Stored(record.topic, 0, 0, record.key, record.value, record.headers, 0)
