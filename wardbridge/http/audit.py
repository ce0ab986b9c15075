"""Every reading of patients' data by somebody who is known, in topic ``audit``.

What goes beyond the minimal fields is shown only once its entry is durable; minimal fields are shown
meanwhile, for a ward that sees nothing is the greater harm, and entries that could not be written are
counted. Who goes on seeing the same (a board that reads its list four times a minute) is noted once in
``again_after``; whatever is new to them is noted at once. Only the event loop's thread calls.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import structlog

from bus.port import Log, LogError, Record
from schemas import topics
from schemas.audit import Action, AuditEntry, Seen
from schemas.fields import Level
from schemas.notification import DesignationData
from wardbridge.http.access.rights import Reader

MAX_REMEMBERED: Final = 10_000
"""Readers and wards; who is forgotten is noted once too often."""

MAX_SEEN: Final = 2_000
"""Patients in one entry: below the size of a record."""

What = tuple[str, str, int]
_NOBODY: Final = "nobody-asked"
PatientOf = Callable[[DesignationData], str | None]


def no_patient(row: DesignationData) -> None:
    """Where nobody follows whose visits they are."""
    del row


class _Place(NamedTuple):
    reader: str
    how: str
    ward: str
    fields: Level


@dataclass(slots=True)
class _Noted:
    since: datetime
    what: set[What] = field(default_factory=set)


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
        self._newest: tuple[bytes, DesignationData] | None = None
        self._now = now
        self._again_after = again_after
        self._patient_of = patient_of
        self._noted: OrderedDict[_Place, _Noted] = OrderedDict()

    @property
    def failures(self) -> int:
        """Entries that could not be written, since the start."""
        return self._failures + len(self._failed)

    async def listed(
        self,
        by: Reader,
        ward: str,
        fields: Level,
        rows: Sequence[DesignationData],
        action: Action = Action.LISTED,
    ) -> None:
        """A list is about to be shown. Raises LogError where that must not be."""
        place = self._place(by, ward, fields)
        new = self._new(by, place, rows)
        if not new:
            return
        records = self._records(by, place, action, new)
        if fields == "minimal":
            self._remember(place, new)
            self._write_soon(records, place)
        else:  # remembered once it is durable: nobody else is shown it on the strength of a hope
            await asyncio.to_thread(self._log.append, records)
            self._remember(place, new)

    def streamed(self, by: Reader, ward: str, notice: bytes) -> None:
        """A notice, minimal fields, is about to go out on a stream."""
        if by.how == _NOBODY:
            return
        place = self._place(by, ward, "minimal")
        new = self._new(by, place, [self._read(notice)])
        if new:
            self._remember(place, new)
            self._write_soon(self._records(by, place, Action.STREAMED, new), place)

    def _read(self, notice: bytes) -> DesignationData:
        """A notice goes to all who listen, one after the other: it is read once."""
        before, row = self._newest or (b"", None)
        if row is None or notice is not before:
            row = DesignationData.model_validate(json.loads(notice)["data"])
            self._newest = (notice, row)
        return row

    def entry_of(self, by: Reader, row: DesignationData, action: Action) -> Record | None:
        """What somebody does about a patient; None of whom nobody asked who they are."""
        place = self._place(by, row.ward, "minimal")
        return None if by.how == _NOBODY else self._records(by, place, action, [row])[0]

    async def did(self, by: Reader, action: Action, about: str) -> None:
        """Something that is of no ward. Raises LogError."""
        if by.how != _NOBODY:
            entry = self._entry(by, self._place(by, "", "minimal"), action, (), about)
            await asyncio.to_thread(self._log.append, [entry])

    @staticmethod
    def _place(by: Reader, ward: str, fields: Level) -> _Place:
        return _Place(by.name, by.how, ward, fields)

    def _new(
        self, by: Reader, place: _Place, rows: Iterable[DesignationData]
    ) -> list[DesignationData]:
        """Those that the reader has not been noted for."""
        if by.how == _NOBODY:
            return []
        while self._failed:  # to be noted anew
            self._noted.pop(self._failed.popleft(), None)
            self._failures += 1
        noted = self._noted.get(place)
        if noted is None or self._now() - noted.since >= self._again_after:
            self._noted.pop(place, None)
            return list(rows)
        return [row for row in rows if _what(row) not in noted.what]

    def _remember(self, place: _Place, rows: Iterable[DesignationData]) -> None:
        noted = self._noted.setdefault(place, _Noted(self._now()))
        noted.what.update(map(_what, rows))
        self._noted.move_to_end(place)
        if len(self._noted) > MAX_REMEMBERED:
            self._noted.popitem(last=False)

    def _records(
        self, by: Reader, place: _Place, action: Action, rows: Sequence[DesignationData]
    ) -> list[Record]:
        seen = [Seen(visit=row.visit, patient=self._patient_of(row)) for row in rows]
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


def _what(row: DesignationData) -> What:
    return (row.visit.source, row.visit.visit, row.version)
