"""Deletes demographics (topic ``patients``) after a patient's last open visit has closed, or all if none are kept.

Invariant: of whom a visit is planned or open, nothing is removed, nor of the patient that theirs was merged
into. A description that comes at the very moment in which the same one is removed may go with it; the next
message brings it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus.port import Log, LogError, Record, Stored, TopicPartition
from bus.records import parsed
from schemas import topics
from schemas.encounter import EncounterView, Phase
from schemas.patient import PatientRow, patient_row
from wardbridge.parts.repeated import Repeated
from wardbridge.readmodels.aliases import aliases_of

INTERVAL_S: Final = 6 * 3600.0
AT_ONCE: Final = 500  # tombstones in one call: others append meanwhile


class Forgetting(Repeated):
    """At the start and four times a day. ``kept_for`` None: nothing is to be kept."""

    def __init__(self, log: Log, kept_for: timedelta | None, clock: Callable[[], datetime]) -> None:
        super().__init__("forgetting", self._forget, INTERVAL_S)
        self._log = log
        self._kept_for = kept_for
        self._clock = clock

    def blocking(self) -> None:
        """Nobody waits for it."""

    def _forget(self) -> None:
        try:
            forget(self._log, self._kept_for, self._clock())
        except LogError as error:  # the next time
            structlog.get_logger().error("not_forgotten", reason=type(error).__name__)


def forget(log: Log, kept_for: timedelta | None, now: datetime) -> int:
    """Remove what is not to be kept; how many descriptions. Raises LogError."""
    read = (patient_row(row.value or b"") for row in _load(log, topics.PATIENTS))
    rows = [row for row in read if row is not None]
    gone = (
        rows
        if kept_for is None or not rows
        else _outdated(rows, _needed(log, rows), now - kept_for)
    )
    tombstones = [Record(topics.PATIENTS, row.realm, row.key, None) for row in gone]
    for at in range(0, len(tombstones), AT_ONCE):
        log.append(tombstones[at : at + AT_ONCE])
    return len(tombstones)


def _outdated(
    rows: Collection[PatientRow], needed: AbstractSet[str], before: datetime
) -> list[PatientRow]:
    return [row for row in rows if row.patient not in needed and row.stamp.received_at < before]


def _needed(log: Log, rows: Iterable[PatientRow]) -> AbstractSet[str]:
    """Of whom a visit is open, under all numbers that the router ties to theirs, and who remains of them."""
    aliases, patients = aliases_of(_load(log, topics.ALIASES)), _open(log)
    numbers = set[str]().union(*map(aliases.connected_anywhere, patients))
    return _with_who_remains(rows, numbers)


def _with_who_remains(rows: Iterable[PatientRow], patients: Iterable[str]) -> AbstractSet[str]:
    """The patients, and whom they were ever merged into, by whatever source."""
    into: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.merged_into is not None:
            into[row.patient].add(row.merged_into)
    found, waiting = set(patients), list(patients)
    while waiting:
        fresh = into.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def _open(log: Log) -> AbstractSet[str]:
    views = (parsed(EncounterView, row) for row in _load(log, topics.ENCOUNTERS))
    return {view.patient for view in views if view and view.phase in {Phase.PLANNED, Phase.ACTIVE}}


def _load(log: Log, topic: str) -> Iterator[Stored]:
    for partition in range(log.partitions(topic)):
        yield from log.load(TopicPartition(topic, partition))
