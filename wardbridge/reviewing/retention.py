"""Retention of review: an item is kept as long as its bytes, and both for some time after its end.

Topic ``raw`` lets go of everything after two weeks, items are kept until they are removed here. So the bytes
of an item are copied into topic ``held`` in good time, and removed there with the item.

Invariants: an open item is never removed, nor are its bytes; nor is one that opens again in the moment of its
removal. Done twice, or ended in between, the next time completes it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from bus.port import Log, Record, TopicPartition
from bus.records import parsed
from schemas import topics
from schemas.review import ENDS, ReviewItem
from wardbridge.reviewing.inputs import find
from wardbridge.reviewing.records import ReviewedItem, known_in

RAW_KEEPS: Final = timedelta(
    seconds=next(each.retention_s or 0 for each in topics.TOPICS if each.name == topics.RAW)
)
COPIED_AFTER: Final = RAW_KEEPS / 2
"""A service that was down for a week has missed nothing."""

GONE_AFTER: Final = RAW_KEEPS + timedelta(days=2)
"""Not looked for any more: a log removes what is old by whole segments, hours later."""

AT_ONCE: Final = 200  # records in one call: others append meanwhile
BYTES_AT_ONCE: Final = 20
"""Inputs found and copied in one call: of 900 kB at most each."""


T = TypeVar("T")


class RetentionRound(NamedTuple):
    """What one round has done."""

    copied: int = 0
    released: int = 0
    removed: int = 0


def keep(log: Log, settled_for: timedelta, now: datetime) -> RetentionRound:
    """One round. Raises LogError."""
    parts = range(log.partitions(topics.REVIEW))
    rounds = [_keep(log, part, settled_for, now) for part in parts]
    return RetentionRound(*(sum(figures) for figures in zip(*rounds, strict=True)))


def _keep(log: Log, partition: int, settled_for: timedelta, now: datetime) -> RetentionRound:
    began = log.ends(topics.REVIEW)[partition]
    known = list(known_in(log, partition))
    over = [each for each in known if _ended_at(each) < now - settled_for]
    gone = {each.item.id for each in over}
    staying = [each.item for each in known if each.item.id not in gone]
    held = {stored.key for stored in log.load(TopicPartition(topics.HELD, partition))} - {None}
    copied = _copy(log, (i for i in staying if COPIED_AFTER < now - i.at < GONE_AFTER), held)
    needed = {item.raw.id for item in staying if item.raw}
    released = _release(log, (each.item for each in over), needed)
    _append(log, [record for each in over for record in _removal(each)])
    _restore(log, partition, began, gone)
    return RetentionRound(copied, released, len(over))


def _ended_at(known: ReviewedItem) -> datetime:
    """When the item ended, or was last met since; never, for an open one."""
    if known.is_open:
        return datetime.max.replace(tzinfo=known.item.at.tzinfo)
    return max(known.item.last_met, *(step.at for step in known.steps if step.deed in ENDS))


def _copy(log: Log, items: Iterable[ReviewItem], held: set[str | None]) -> int:
    wanted = [item for item in items if item.raw and item.raw.id not in held]
    copied = 0
    for some in _in_parts(wanted, BYTES_AT_ONCE):
        for realm, inputs in _by_realm(some).items():
            found = find(log, realm, inputs)
            _append(
                log,
                [
                    Record(topics.HELD, realm, raw_id, stored.value, stored.headers)
                    for raw_id, stored in found.items()
                ],
            )
            copied += len(found)
    return copied


def _by_realm(items: Iterable[ReviewItem]) -> dict[str, dict[str, datetime]]:
    """When each input was received."""
    found: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for item in items:
        if item.raw:
            found[item.realm][item.raw.id] = item.at
    return found


def _release(log: Log, items: Iterable[ReviewItem], needed: set[str]) -> int:
    gone = {item.raw.id: item for item in items if item.raw and item.raw.id not in needed}
    _append(log, [Record(topics.HELD, item.realm, raw_id, None) for raw_id, item in gone.items()])
    return len(gone)


def _removal(known: ReviewedItem) -> Iterator[Record]:
    """The item goes before what was done about it, without which it would be open."""
    item = known.item
    yield Record(topics.REVIEW, item.realm, item.id, None)
    for step in known.steps:
        yield Record(topics.REVIEWED, item.realm, step.key, None)


def _restore(log: Log, partition: int, began: int, gone: set[str]) -> None:
    """Those that were met again while they were removed."""
    if not gone:
        return
    at = TopicPartition(topics.REVIEW, partition)
    met: dict[str, ReviewItem] = {}
    while found := log.scan(at, began, AT_ONCE):
        for stored in found:
            item = parsed(ReviewItem, stored)
            if item is not None and item.id in gone:
                met[item.id] = item
        began = found[-1].offset + 1
    _append(
        log,
        [
            Record(topics.REVIEW, item.realm, item.id, item.model_dump_json().encode())
            for item in met.values()
        ],
    )


def _append(log: Log, records: Sequence[Record]) -> None:
    for some in _in_parts(records, AT_ONCE):
        log.append(some)


def _in_parts(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
