"""What every engine refuses at the door, so that nothing queued can fail for its own sake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bus.port import LogError, Record, RecordTooLargeError
from schemas.topics import MAX_RECORD_BYTES, Topic


def size_of(record: Record) -> int:
    """Bytes that count against the limit: key, value and headers, text as UTF-8."""
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len((record.key or "").encode()) + len(record.value or b"") + headers


def known(topics: Mapping[str, Topic], name: str) -> Topic:
    """The topic's row. Raises LogError when the table has none."""
    try:
        return topics[name]
    except KeyError:
        raise LogError(f"there is no topic {name!r} in the topics table") from None


def check(topics: Mapping[str, Topic], records: Iterable[Record]) -> None:
    """Raise LogError for the first record that no engine would take; names no key or value."""
    for record in records:
        topic = known(topics, record.topic)
        _check_size(record)
        _check_key(record, topic)


def _check_size(record: Record) -> None:
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


def _check_key(record: Record, topic: Topic) -> None:
    if topic.compacted and record.key is None:
        raise LogError(f"a record for the compacted topic {record.topic!r} needs a key")
    if record.value is None and not topic.compacted:
        raise LogError(f"{record.topic!r} is not compacted: a tombstone means nothing")
