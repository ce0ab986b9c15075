"""Copies the log of an installation to a cluster, record by record, and verifies the copy.

Every partition is copied from its beginning, in order, outside transactions: its end on the cluster
says how many of its records are there, however an earlier attempt ended, and the next one goes on
behind them. The positions come last, those of the router last of all: until they are there, nothing has
been moved. The router must have decided all that waits, so that its positions are the ends of partitions on
both sides; delivery goes on where it was.

On the cluster a partition's offsets begin with 0, also where retention has removed the oldest records of the
file. What rows say of offsets is written so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import Final, NamedTuple, Protocol

from bus.belonging import PositionRows
from bus.port import Log, LogError, Stored, TopicPartition
from bus.runner import lag_of
from router.core.step import GROUP, RouterStep
from router.delivery import fanout, history, queue, registry
from schemas import topics
from schemas.topics import FORMAT, STATE

AT_ONCE_RECORDS: Final = 1_000
DELIVERY: Final = (
    (fanout.GROUP, topics.DESIGNATIONS, None),
    (queue.GROUP, topics.OUTGOING, topics.SUBSCRIBERS),
)
"""Groups besides the router's: what each reads, and where it keeps its state."""
Content = tuple[str | None, bytes | None, tuple[tuple[str, bytes], ...]]


class Target(Log, Protocol):
    """A log that takes records for a partition of one's choice."""

    def append_at(self, at: TopicPartition, records: Sequence[Stored]) -> None:
        """Append and wait until durable; those of one call in order."""
        ...


class Moved(NamedTuple):
    """A partition that is wholly on the cluster: how many records, and how many of them by us."""

    at: TopicPartition
    records: int
    copied: int


def move(source: Log, target: Target) -> Iterator[Moved]:
    """Copy each partition and look whether it is there, then the positions. Raises LogError."""
    _check_fits(source, target)
    moving = _Moving(source, target)
    for topic in source.topics:
        if topic == FORMAT:  # the cluster's log has said its own
            continue
        for number in range(source.partitions(topic)):
            yield moving.partition(TopicPartition(topic, number))
    for group, topic, state in DELIVERY:
        places = moving.positions(group, topic)
        target.commit(group, places, PositionRows(target, group, state).after(places))
    inputs = RouterStep.inputs
    ends = {
        TopicPartition(topic, number): end
        for topic in inputs
        for number, end in target.ends(topic).items()
    }
    target.commit(GROUP, ends, PositionRows(target, GROUP, STATE).after(ends))


def _check_fits(source: Log, target: Log) -> None:
    if target.committed(GROUP):
        raise LogError("the cluster's log is in use: the router has positions there")
    if waiting := lag_of(source, GROUP, RouterStep.inputs):
        raise LogError(
            f"{waiting} records wait for the router: run the service once more and end it with "
            "SIGTERM, which decides them"
        )
    for topic in source.topics:
        if source.partitions(topic) != target.partitions(topic):
            raise LogError(
                f"partitions is {source.partitions(topic)} in the file and "
                f"{target.partitions(topic)} on the cluster: it must be the same"
            )


class _Moving:
    """From one log to the other."""

    def __init__(self, source: Log, target: Target) -> None:
        self._source = source
        self._target = target
        self._removed = {
            topic: source.starts(topic) for topic in (topics.DESIGNATIONS, topics.OUTGOING)
        }

    def partition(self, at: TopicPartition) -> Moved:
        """Copy one, and look whether it is there."""
        there = self._target.ends(at.topic)[at.partition]
        copied = 0
        rest = islice(self._records(at), there, None)
        while records := list(islice(rest, AT_ONCE_RECORDS)):
            self._target.append_at(at, records)
            copied += len(records)
        self._check_same(at)
        return Moved(at, there + copied, copied)

    def positions(self, group: str, topic: str) -> dict[TopicPartition, int]:
        """A group's in the copy; where it has none it would begin anew, which it must not."""
        known, removed = self._source.committed(group), self._removed[topic]
        places = {TopicPartition(topic, number): start for number, start in removed.items()}
        return {at: known.get(at, start) - start for at, start in places.items()}

    def _records(self, at: TopicPartition) -> Iterator[Stored]:
        """As they are to be there."""
        match at.topic:
            case topics.SUBSCRIBERS:
                removed = self._removed[topics.OUTGOING][at.partition]
                return (history.moved(each, removed) for each in records_of(self._source, at))
            case topics.REGISTRATIONS:
                by_partition = self._removed[topics.DESIGNATIONS]
                return (registry.moved(each, by_partition) for each in records_of(self._source, at))
        return records_of(self._source, at)

    def _check_same(self, at: TopicPartition) -> None:
        """What a reader finds: all records, or of a compacted topic the newest of each key."""
        if self._source.topics[at.topic].compacted:
            same = _newest(self._records(at)) == _newest(records_of(self._target, at))
        else:
            pairs = zip_longest(self._records(at), records_of(self._target, at))
            same = all(a and b and _content(a) == _content(b) for a, b in pairs)
        if not same:
            raise LogError(
                f"{at.topic}/{at.partition} is not the same on the cluster: something else wrote to "
                "one of them meanwhile; begin again under another prefix"
            )


def records_of(log: Log, at: TopicPartition) -> Iterator[Stored]:
    """The records of a partition, oldest first."""
    offset = log.starts(at.topic)[at.partition]
    while records := log.scan(at, offset, AT_ONCE_RECORDS):
        yield from records
        offset = records[-1].offset + 1


def _newest(records: Iterator[Stored]) -> dict[str | None, Content]:
    newest = {stored.key: _content(stored) for stored in records}
    return {key: content for key, content in newest.items() if content[1] is not None}


def _content(stored: Stored) -> Content:
    return stored.key, stored.value, stored.headers
