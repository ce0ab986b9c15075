"""Moves the log of an installation to a cluster, record by record, and looks whether all is there.

Every partition is copied from its beginning, in order, outside transactions: its end on the cluster
says how many of its records are there, however an earlier attempt ended, and the next one goes on
behind them. The positions of the router come last: until they are there, nothing has been moved.
It must have decided all that waits, so that positions are the ends of partitions on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import Final, NamedTuple, Protocol

from bus.belonging import PositionRows
from bus.port import Log, LogError, Stored, TopicPartition
from bus.runner import lag_of
from router.core.step import RouterStep
from schemas.topics import FORMAT, STATE
from wardbridge.routing import GROUP

AT_ONCE_RECORDS: Final = 1_000
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
    for topic in source.topics:
        if topic == FORMAT:  # the cluster's log has said its own
            continue
        for number in range(source.partitions(topic)):
            yield _move_partition(source, target, TopicPartition(topic, number))
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


def _move_partition(source: Log, target: Target, at: TopicPartition) -> Moved:
    there = target.ends(at.topic)[at.partition]
    copied = 0
    rest = islice(records_of(source, at), there, None)
    while records := list(islice(rest, AT_ONCE_RECORDS)):
        target.append_at(at, records)
        copied += len(records)
    _check_same(source, target, at)
    return Moved(at, there + copied, copied)


def _check_same(source: Log, target: Log, at: TopicPartition) -> None:
    """What a reader finds: all records, or of a compacted topic the newest of each key."""
    if source.topics[at.topic].compacted:
        same = _newest(source, at) == _newest(target, at)
    else:
        pairs = zip_longest(records_of(source, at), records_of(target, at))
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


def _newest(log: Log, at: TopicPartition) -> dict[str | None, Content]:
    return {stored.key: _content(stored) for stored in log.load(at)}


def _content(stored: Stored) -> Content:
    return stored.key, stored.value, stored.headers
