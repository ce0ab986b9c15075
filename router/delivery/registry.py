"""Who was registered over HTTP, as the log has it: in any process, and as new as it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from bus.port import Log, Record, TopicPartition
from schemas import topics
from schemas.registration import Registration

SCAN_RECORDS: Final = 1_000


class Registry:
    """Reads what has come since it was last asked. From any thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._ends: Mapping[int, int] = {}
        self._next: dict[TopicPartition, int] = {}
        self._known: Mapping[str, Registration] = {}

    def current(self) -> Mapping[str, Registration]:
        """By name; whatever was durable before the call is in it. Raises LogError."""
        with self._lock:
            ends = self._log.ends(topics.REGISTRATIONS)
            if ends != self._ends:
                self._read(sorted(ends))
                self._ends = ends
            return self._known

    def wait(self, wait_s: float) -> None:
        """Until there may be something new. Raises LogError."""
        with self._lock:
            seen = dict(self._next)
        self._log.wait([topics.REGISTRATIONS], seen, wait_s)

    def _read(self, partitions: list[int]) -> None:
        known, reached = dict(self._known), dict(self._next)
        for partition in partitions:
            at = TopicPartition(topics.REGISTRATIONS, partition)
            while found := self._log.scan(at, reached.get(at, 0), SCAN_RECORDS):
                reached[at] = found[-1].offset + 1
                for stored in found:
                    name = stored.key or ""
                    known.pop(name, None)
                    if stored.value is not None:
                        known[name] = Registration.model_validate_json(stored.value)
        self._known, self._next = known, reached  # together: the log may fail in between


def record_of(registration: Registration) -> Record:
    """What has everybody know of it."""
    value = registration.model_dump_json().encode()
    return Record(topics.REGISTRATIONS, registration.name, registration.name, value)


def end_of(name: str) -> Record:
    """What has everybody forget it."""
    return Record(topics.REGISTRATIONS, name, name, None)
