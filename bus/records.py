"""Everything that a topic keeps, without a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bus.port import Log, Stored, TopicPartition

SCAN_RECORDS: Final = 1_000


def records_of(log: Log, topic: str, route: str | None = None) -> Iterator[Stored]:
    """Every record kept, oldest first in each partition; with a route only in its. Raises LogError."""
    numbers = range(log.partitions(topic))
    for number in numbers if route is None else [log.partition_of(topic, route)]:
        at, offset = TopicPartition(topic, number), log.starts(topic)[number]
        while found := log.scan(at, offset, SCAN_RECORDS):
            yield from found
            offset = found[-1].offset + 1
