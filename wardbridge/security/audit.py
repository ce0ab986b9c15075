"""The audit trail: every access to patient data by an authenticated reader, in topic ``audit``.

What goes beyond the minimal fields is shown only once its entry is durable; minimal fields are shown
meanwhile, for a ward that sees nothing is the greater harm, and entries that could not be written are
counted. Who goes on seeing the same (a board that reads its list four times a minute) is noted once in
``again_after``; whatever is new to them is noted at once. Only the event loop's thread calls.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import structlog

from bus.port import Log, LogError, Record
from schemas import topics
from schemas.audit import Action, AuditEntry, Seen
from schemas.base import VisitRef
from schemas.fields import Identity, Level
from schemas.notification import DesignationData
from wardbridge.config.authorisation import Reader

MAX_REMEMBERED: Final = 10_000
"""Readers and wards; who is forgotten is noted once too often."""

MAX_SEEN: Final = 2_000
"""Patients in one entry: below the size of a record."""

MAX_NOTED: Final = 500_000
"""What all readers have been noted for, before the reader and ward that read longest ago are forgotten."""

_NOBODY: Final = "nobody-asked"
PatientOf = Callable[[VisitRef], str | None]


def no_patient(visit: VisitRef) -> None:
    """Where nobody follows whose visits they are."""
    del visit


class ShownRow(NamedTuple):
    """What of one patient is shown: which state of the visit, and who it is, if that is told."""

    visit: VisitRef
    version: int
    identity: Identity | None = None


class Notice(Protocol):
    """A notice that is about to be shown: the visit, and which state of it."""

    @property
    def told(self) -> tuple[VisitRef, int]:
        """Of whom it is."""
        ...


class _What(NamedTuple):
    """What a reader was noted for. Another patient, or another identity of the same, is something new."""

    source: str
    visit: str
    version: int
    patient: str | None
    identity: int


class _Place(NamedTuple):
    reader: str
    how: str
    ward: str
    fields: Level


@dataclass(slots=True)
class _Noted:
    since: datetime
    what: set[_What] = field(default_factory=set)


class Trail:
    """Notes who has seen what."""

    def __init__(
        self,
        log: Log,
        now: Callable[[], datetime],
        again_after: timedelta,
        patient_of: PatientOf = no_patient,
    ) -> None:
        self._log = log
        self._failed: deque[_Place] = deque()
        self._failures = 0
        self._now = now
        self._again_after = again_after
        self._patient_of = patient_of
        self._noted: OrderedDict[_Place, _Noted] = OrderedDict()
        self._noted_in_all = 0

    @property
    def failures(self) -> int:
        """Entries that could not be written, since the start."""
        return self._failures + len(self._failed)

    async def listed(
        self,
        by: Reader,
        ward: str,
        fields: Level,
        rows: Sequence[ShownRow],
        action: Action = Action.LISTED,
    ) -> None:
        """A list is about to be shown. Raises LogError where that must not be.

        Whatever becomes visible later, as the name of somebody whose row came first, is noted when it does.
        """
        place = self._place(by, ward, fields)
        new = self._new(by, place, rows)
        if not new:
            return
        records = self._records(by, place, action, new)
        if fields == "minimal":
            self._remember(place, new)
            self._write_soon(records, place)
        else:  # marked as audited only after the append is durable
            await asyncio.to_thread(self._log.append, records)
            self._remember(place, new)

    def streamed(self, by: Reader, ward: str, notices: Sequence[Notice]) -> None:
        """Notices, minimal fields, are about to go out on a stream."""
        if by.how == _NOBODY:
            return
        place = self._place(by, ward, "minimal")
        new = self._new(by, place, [ShownRow(*notice.told) for notice in notices])
        if new:
            self._remember(place, new)
            self._write_soon(self._records(by, place, Action.STREAMED, new), place)

    def entry_of(self, by: Reader, row: DesignationData, action: Action) -> Record | None:
        """What somebody does about a patient; None of whom nobody asked who they are."""
        place = self._place(by, row.ward, "minimal")
        shown = ShownRow(row.visit, row.version)
        return None if by.how == _NOBODY else self._records(by, place, action, [shown])[0]

    async def did(
        self, by: Reader, action: Action, about: str, seen: tuple[Seen, ...] = ()
    ) -> None:
        """Something that is of no ward. Raises LogError."""
        if by.how != _NOBODY:
            place, parts = self._place(by, "", "minimal"), range(0, max(len(seen), 1), MAX_SEEN)
            entries = [
                self._entry(by, place, action, seen[at : at + MAX_SEEN], about) for at in parts
            ]
            await asyncio.to_thread(self._log.append, entries)

    @staticmethod
    def _place(by: Reader, ward: str, fields: Level) -> _Place:
        return _Place(by.name, by.how, ward, fields)

    def _new(self, by: Reader, place: _Place, rows: Iterable[ShownRow]) -> list[ShownRow]:
        """Those that the reader has not been noted for."""
        if by.how == _NOBODY:
            return []
        while self._failed:  # to be noted anew
            self._forget(self._failed.popleft())
            self._failures += 1
        noted = self._noted.get(place)
        if noted is None or self._now() - noted.since >= self._again_after:
            self._forget(place)
            return list(rows)
        return [row for row in rows if self._what(row) not in noted.what]

    def _remember(self, place: _Place, rows: Iterable[ShownRow]) -> None:
        noted = self._noted.setdefault(place, _Noted(self._now()))
        before = len(noted.what)
        noted.what.update(map(self._what, rows))
        self._noted_in_all += len(noted.what) - before
        self._noted.move_to_end(place)
        while len(self._noted) > MAX_REMEMBERED or self._noted_in_all > MAX_NOTED:
            self._forget(next(iter(self._noted)))

    def _forget(self, place: _Place) -> None:
        noted = self._noted.pop(place, None)
        self._noted_in_all -= len(noted.what) if noted else 0

    def _what(self, row: ShownRow) -> _What:
        patient = self._patient_of(row.visit)
        return _What(row.visit.source, row.visit.visit, row.version, patient, hash(row.identity))

    def _records(
        self, by: Reader, place: _Place, action: Action, rows: Sequence[ShownRow]
    ) -> list[Record]:
        seen = [Seen(visit=row.visit, patient=self._patient_of(row.visit)) for row in rows]
        parts = range(0, len(seen), MAX_SEEN)
        return [self._entry(by, place, action, tuple(seen[at : at + MAX_SEEN])) for at in parts]

    def _entry(
        self,
        by: Reader,
        place: _Place,
        action: Action,
        seen: tuple[Seen, ...],
        about: str | None = None,
    ) -> Record:
        entry = AuditEntry(
            at=self._now(),
            action=action,
            reader=by.name,
            how=by.how,
            unit=by.unit,
            ward=place.ward,
            fields=place.fields,
            seen=seen,
            about=about,
        )
        return Record(topics.AUDIT, place.ward, place.ward, entry.model_dump_json().encode())

    def _write_soon(self, records: Sequence[Record], place: _Place) -> None:
        def done(error: LogError | None) -> None:  # in a thread of the log's
            if error is not None:
                self._failed.append(place)
                structlog.get_logger().error("audit_not_written", reason=type(error).__name__)

        try:
            self._log.submit(records, done)
        except LogError as error:
            done(error)
