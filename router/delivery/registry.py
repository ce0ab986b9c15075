"""Reads the registered subscribers (topic ``registrations``), in any process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import structlog
from pydantic import ValidationError

from bus.port import Log, Record, Stored, TopicPartition
from schemas import topics
from schemas.registration import Configured, Registration

SCAN_RECORDS: Final = 1_000
CONFIGURED: Final = "configured:"
"""Before the name in the key of a :class:`Configured`: the name may have been registered earlier."""


class RegisteredSubscribers(NamedTuple):
    """What the topic says; the same object while it says nothing new."""

    registered: Mapping[str, Registration]
    """By name, those that were removed too: their names stay taken."""
    since: Mapping[str, Mapping[int, int]]
    """By name of the configuration: by partition of ``designations``, the first that it is told of."""


class SubscriberRegistry:
    """Reads what has come since it was last asked. From any thread."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._ends: Mapping[int, int] = {}
        self._next: dict[TopicPartition, int] = {}
        self._known = RegisteredSubscribers({}, {})

    def current(self) -> RegisteredSubscribers:
        """Whatever was durable before the call is in it. Raises LogError."""
        with self._lock:
            ends = self._log.ends(topics.REGISTRATIONS)
            if ends != self._ends:
                self._read(sorted(ends))
                self._ends = ends
            return self._known

    def _read(self, partitions: list[int]) -> None:
        registered, since = dict(self._known.registered), dict(self._known.since)
        reached = dict(self._next)
        for partition in partitions:
            at = TopicPartition(topics.REGISTRATIONS, partition)
            while found := self._log.scan(at, reached.get(at, 0), SCAN_RECORDS):
                reached[at] = found[-1].offset + 1
                _note(found, registered, since)
        # Both at once, and at the end: the log may fail in between.
        self._known, self._next = RegisteredSubscribers(registered, since), reached


def _note(
    found: Iterable[Stored],
    registered: dict[str, Registration],
    since: dict[str, Mapping[int, int]],
) -> None:
    for stored in found:
        match _row(stored):
            case Registration() as registration:
                registered[registration.name] = registration
            case Configured() as known:
                since[known.name] = known.since


def _row(stored: Stored) -> Configured | Registration | None:
    """None for a row that no process of ours wrote."""
    is_configured = (stored.key or "").startswith(CONFIGURED)
    kind: type[Configured | Registration] = Configured if is_configured else Registration
    try:
        return kind.model_validate_json(stored.value or b"")
    except ValidationError:
        structlog.get_logger().error("registration_unreadable", offset=stored.offset)
        return None


def names_of(log: Log) -> frozenset[str]:
    """Everybody who was ever to be told. Raises LogError."""
    known = SubscriberRegistry(log).current()
    return frozenset({*known.registered, *known.since})


def record_of(registration: Registration) -> Record:
    """What has everybody know of it."""
    value = registration.model_dump_json().encode()
    return Record(topics.REGISTRATIONS, registration.name, registration.name, value)


def removal_of(registration: Registration) -> Record:
    """What has everybody tell it nothing more: nothing stays but that the name is taken."""
    kept = {"sealed": "", "owner": None, "reason": "", "removed": True}
    return record_of(registration.model_copy(update=kept))


def begin_configured(log: Log, names: Iterable[str], known: RegisteredSubscribers) -> None:
    """Note from where on those of the configuration are told who are new. Raises LogError.

    Old news are no news: whoever is new is told of what comes next. Of two processes that note the same name
    at once the later one counts; numbers do not depend on it.
    """
    new = [name for name in names if name not in known.since]
    if new:
        ends = dict(log.ends(topics.DESIGNATIONS))
        log.append([
            Record(topics.REGISTRATIONS, name, f"{CONFIGURED}{name}",
                   Configured(name=name, since=ends).model_dump_json().encode())
            for name in new
        ])  # fmt: skip


def moved(stored: Stored, removed: Mapping[int, int]) -> Stored:
    """A row as it is to be where offsets of ``designations`` are lower by so many, by partition."""
    row = _row(stored)
    if row is None:
        return stored
    since = {at: max(offset - removed.get(at, 0), 0) for at, offset in row.since.items()}
    return stored._replace(value=row.model_copy(update={"since": since}).model_dump_json().encode())
