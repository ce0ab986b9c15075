"""Notices as stream events, encoded once for all readers; the newest are kept in memory.

The newest are kept in memory, whole, so that nobody who was away for a moment, nor everybody at once after a restart,
has the log read for it; the older ones are read from the log in pages (``history``).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from bus.port import Stored, TopicPartition
from schemas.base import VisitRef
from schemas.notification import DesignationData, Notification
from wardbridge.readmodels.event_id import EventId

RECENT_NOTICES: Final = 10_000
"""Of the newest in memory: after a restart all listeners ask for the same last minutes, which are not read again."""

RECENT_BYTES: Final = 24_000_000
"""Of the newest in memory, if that is fewer notices."""


# Parsing every notice kept would make a start slow. In a JSON text the quotes are escaped.
_SEQUENCE: Final = re.compile(rb'"sequence":\s*(\d+)')


class ToldState(NamedTuple):
    """Which state of which visit a notice tells."""

    visit: VisitRef
    version: int


class StreamEvent:
    """One notice, and the event that it is on a stream."""

    __slots__ = ("_begins", "_told", "event", "event_id")

    def __init__(self, event_id: EventId, value: bytes) -> None:
        head = b"id: %b\ndata: " % str(event_id).encode()
        self.event_id = event_id
        self.event = b"%b%b\n\n" % (head, value)
        self._begins = len(head)
        self._told: ToldState | None = None

    @property
    def value(self) -> bytes:
        """The notice, a CloudEvent in JSON."""
        return self.event[self._begins : -2]

    @property
    def told(self) -> ToldState:
        """Of whom it is; read once, for all who ask."""
        if self._told is None:
            data = DesignationData.model_validate(json.loads(self.value)["data"])
            self._told = ToldState(data.visit, data.version)
        return self._told

    def notice(self) -> Notification:
        """The whole notice."""
        return Notification.model_validate_json(self.value)


def kept_of(stored: Stored) -> StreamEvent:
    """The notice in a record of topic ``designations``."""
    value = stored.value or b""
    found = _SEQUENCE.search(value)
    return StreamEvent(EventId(int(found[1]) if found else 0, stored.timestamp_ms), value)


class Recent:
    """The newest notices of all wards, by their place in the log."""

    def __init__(self) -> None:
        self._order: deque[tuple[str, TopicPartition, int]] = deque()
        self._by_place: dict[tuple[TopicPartition, int], StreamEvent] = {}
        self._by_ward: defaultdict[str, deque[StreamEvent]] = defaultdict(deque)
        self._bytes = 0

    def add(self, ward: str, stored: Stored, kept: StreamEvent) -> None:
        """One more; the oldest go."""
        at = TopicPartition(stored.topic, stored.partition)
        self._order.append((ward, at, stored.offset))
        self._by_place[at, stored.offset] = kept
        self._by_ward[ward].append(kept)
        self._bytes += len(kept.event)
        while len(self._order) > RECENT_NOTICES or self._bytes > RECENT_BYTES:
            self._forget_oldest()

    def at(self, at: TopicPartition, offset: int) -> StreamEvent | None:
        """The notice there, if it is among the newest."""
        return self._by_place.get((at, offset))

    def of(self, ward: str) -> Iterator[StreamEvent]:
        """Those of a ward, the newest first."""
        return reversed(self._by_ward.get(ward, ()))

    def _forget_oldest(self) -> None:
        ward, at, offset = self._order.popleft()
        self._bytes -= len(self._by_place.pop((at, offset)).event)
        of_ward = self._by_ward[ward]
        of_ward.popleft()
        if not of_ward:
            del self._by_ward[ward]
