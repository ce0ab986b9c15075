"""Reads the newest record per key of a compacted partition.

The end is where the partition ends when reading begins, records of open transactions included, and
it is reached when the *position* has reached it: the last offsets may be a transaction's marker or
compacted away, so that no record with them ever comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from kafka import KafkaConsumer

from bus.kafka.errors import translating
from bus.kafka.member import ALL, POLL_S, stored
from bus.kafka.offsets import OffsetLookup
from bus.port import LogError, Stored, TopicPartition


def newest_of_each_key(
    make: Callable[[], KafkaConsumer],
    lookup: OffsetLookup,
    at: TopicPartition,
    settle_within_s: float,
) -> Iterator[Stored]:
    """The newest record of each key, removed keys left out. Raises LogError."""
    newest: dict[str | None, Any] = {}
    with translating("reading state"):
        start, end = lookup.starts([at])[at], lookup.written([at])[at]
        if start == end:
            return iter(())
        consumer = make()
        try:
            for record in _records(consumer, lookup, at, (start, end), settle_within_s):
                newest[record.key] = record
        finally:
            consumer.close(autocommit=False, timeout_ms=1000)
    return (stored(at, record) for record in newest.values() if record.value is not None)


def _records(
    consumer: KafkaConsumer,
    lookup: OffsetLookup,
    at: TopicPartition,
    reach: tuple[int, int],
    settle_within_s: float,
) -> Iterator[Any]:
    place, (start, end) = lookup.place(at), reach
    consumer.assign([place])
    consumer.seek(place, start)
    deadline = time.monotonic() + settle_within_s
    while (position := consumer.position(place, timeout_ms=1000)) is None or position < end:
        found = consumer.poll(timeout_ms=1000 * POLL_S, max_records=ALL).get(place, ())
        if found:
            deadline = time.monotonic() + settle_within_s
        elif time.monotonic() > deadline:
            raise LogError(
                f"{at.topic}/{at.partition} ends at {end}, reading stands still: "
                f"a transaction open since {position} does not end"
            )
        yield from found
