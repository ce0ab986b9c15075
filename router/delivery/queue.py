"""A subscriber's queue: its records in topic ``outgoing``, and the number of each.

Invariant: a notice's number is its place among the subscriber's records, counted from the first one ever. The
order of the topic never changes, so the number is the same whoever counts. A record with header
:data:`SEQUENCE` repeats an earlier notice under the number that it has, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from bus.port import Log, Stored, TopicPartition
from router.delivery.channel import Outgoing
from schemas import topics
from schemas.notification import Notification

GROUP: Final = "delivery"
"""The group that reads the queues of all subscribers."""
SEQUENCE: Final = "sequence"
PAGE_RECORDS: Final = 1_000


class QueuePosition(NamedTuple):
    """Somewhere in a queue: the offset, and the number of the last notice before it."""

    offset: int
    given: int


class QueuedNotice(NamedTuple):
    """A notice in a queue, and where it stands."""

    place: QueuePosition
    out: Outgoing


@lru_cache(maxsize=256)  # subscribers of one ward have the same notice one after another
def notification_of(value: bytes) -> Notification:
    """The notice in a record. Raises ValidationError."""
    return Notification.model_validate_json(value)


def repeats(stored: Stored) -> int | None:
    """The number of the earlier notice that a record repeats; None for a new one."""
    for name, value in stored.headers:
        if name == SEQUENCE:
            return int(value)
    return None


def queued(stored: Stored, given: int) -> QueuedNotice:
    """The notice of a record that has ``given`` numbers before it. Raises ValueError for one that cannot be read."""
    again = repeats(stored)
    number = given + 1 if again is None else again
    notice = notification_of(stored.value or b"")
    return QueuedNotice(
        QueuePosition(stored.offset, given), Outgoing(number, notice, stored.timestamp_ms / 1000)
    )


def own_of(records: Iterable[Stored], subscriber: str) -> Iterator[Stored]:
    """Those of the records that are this subscriber's."""
    return (stored for stored in records if stored.key == subscriber)


def counted(records: Iterable[Stored]) -> int:
    """How many numbers these records of one subscriber take."""
    return sum(repeats(stored) is None for stored in records)


def partition_of(log: Log, subscriber: str) -> TopicPartition:
    """Where its queue is."""
    return TopicPartition(topics.OUTGOING, log.partition_of(topics.OUTGOING, subscriber))
