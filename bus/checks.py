"""Validation of records that every engine does before it accepts them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bus.port import LogError, Record, RecordTooLargeError
from schemas.topics import MAX_RECORD_BYTES, Topic


def size_of(record: Record) -> int:
    """Bytes that count against the limit: key, value and headers, text as UTF-8."""
    size = len((record.key or "").encode()) + len(record.value or b"")
    for name, value in record.headers:
        size += len(name.encode()) + len(value)
    return size


def known(topics: Mapping[str, Topic], name: str) -> Topic:
    """The topic's row. Raises LogError when the table has none."""
    try:
        return topics[name]
    except KeyError:
        raise LogError(f"there is no topic {name!r} in the topics table") from None


def check(topics: Mapping[str, Topic], records: Iterable[Record]) -> int:
    """The size of all records. Raises LogError for the first that no engine would take.

    The error names no key and no value: both may tell of a patient.
    """
    total = 0
    for record in records:
        topic = known(topics, record.topic)
        total += _checked_size(record)
        _check_key(record, topic)
    return total


def _checked_size(record: Record) -> int:
    try:
        record.route.encode()
        size = size_of(record)
    except UnicodeEncodeError:
        raise LogError(
            f"a record for {record.topic!r} has half a surrogate pair in its route, key or headers"
        ) from None
    if size > MAX_RECORD_BYTES:
        raise RecordTooLargeError(
            f"a record for {record.topic!r} has {size} bytes; {MAX_RECORD_BYTES} are allowed"
        )
    return size


def _check_key(record: Record, topic: Topic) -> None:
    if topic.compacted and record.key is None:
        raise LogError(f"a record for the compacted topic {record.topic!r} needs a key")
    if record.value is None and not topic.compacted:
        raise LogError(f"{record.topic!r} is not compacted: a tombstone means nothing")
