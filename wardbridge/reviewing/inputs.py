"""Finds the bytes of inputs by the ids of their raw records: in topic ``raw``, else in ``held``.

Topic ``raw`` is large and has no index; the time at which an input was received says about where its
record stands. Clocks of two machines differ, and the log takes a record a little later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from bus.port import Log, PositionLostError, Stored, TopicPartition
from bus.records import SCAN_RECORDS, records_of
from schemas import topics

CLOCKS_APART: Final = timedelta(minutes=1)
LONGEST_WAY: Final = timedelta(minutes=15)
"""From the receipt to the log; who appends gives up long before."""

FAR_BETWEEN: Final = timedelta(minutes=5)
"""Looking for the place by its time is quicker than walking there."""


def find(log: Log, realm: str, wanted: Mapping[str, datetime]) -> dict[str, Stored]:
    """The records of these inputs, by raw id, with when each was received. Raises LogError.

    Those that are kept no longer are left out.
    """
    found = {
        stored.key: stored
        for stored in _from_raw(log, realm, wanted)
        if stored.key is not None and stored.value is not None
    }
    missing = wanted.keys() - found.keys()
    for stored in records_of(log, topics.HELD, realm) if missing else ():
        if stored.key in missing and stored.value is not None:
            found[stored.key] = stored
    return found


def _from_raw(log: Log, realm: str, wanted: Mapping[str, datetime]) -> Iterator[Stored]:
    """One walk through the topic, which jumps over what lies far between two of them."""
    at = TopicPartition(topics.RAW, log.partition_of(topics.RAW, realm))
    waiting = dict(sorted(wanted.items(), key=lambda each: each[1]))
    seen_to = 0
    while waiting:
        earliest = _ms(_first(waiting) - CLOCKS_APART)
        seen_to = max(seen_to, log.since(at, earliest))
        for stored in _from(log, at, seen_to):
            seen_to = stored.offset + 1
            if waiting.pop(stored.key or "", None) is not None:
                yield stored
            _give_up(waiting, stored.timestamp_ms)
            if not waiting or stored.timestamp_ms < _ms(_first(waiting) - FAR_BETWEEN):
                break
        else:
            return


def _first(waiting: Mapping[str, datetime]) -> datetime:
    return next(iter(waiting.values()))


def _give_up(waiting: dict[str, datetime], now_ms: int) -> None:
    """Those that would stand before here."""
    while waiting and now_ms > _ms(_first(waiting) + LONGEST_WAY):
        del waiting[next(iter(waiting))]


def _from(log: Log, at: TopicPartition, offset: int) -> Iterator[Stored]:
    while found := _scanned(log, at, offset):
        yield from found
        offset = found[-1].offset + 1


def _scanned(log: Log, at: TopicPartition, offset: int) -> list[Stored]:
    try:
        return [*log.scan(at, offset, SCAN_RECORDS)]
    except PositionLostError:  # retention has just passed by
        return [*log.scan(at, log.starts(at.topic)[at.partition], SCAN_RECORDS)]


def _ms(moment: datetime) -> int:
    return max(0, int(moment.timestamp() * 1000))
