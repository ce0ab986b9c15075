"""Read model of the wards' lists: who is coming to each ward, and where its notices are in the log.

It owns no truth and is rebuilt from the log at each start. Only the event loop's thread touches
it. A ward's notices are numbered without a gap, so the offsets of its records, kept in order, are
an index: the notice with sequence *s* is number ``s - first``.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bus.port import Stored, TopicPartition
from router.core.announce import notification_id
from router.core.designations import Name
from router.core.keys import joined
from schemas.acknowledgement import Acknowledgement
from schemas.notification import DesignationData
from wardbridge.readmodels.event_id import EventId
from wardbridge.readmodels.stream_events import Recent, kept_of

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class WardHistory:
    """Where a ward's notices lie: ``offsets[i]`` has sequence ``first + i``, taken at ``times[i]``."""

    at: TopicPartition
    first: int
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def last(self) -> int:
        """Sequence of the newest notice."""
        return self.first + len(self.offsets) - 1

    def add(self, notice: Stored) -> None:
        """The next one."""
        self.offsets.append(notice.offset)
        self.times.append(notice.timestamp_ms)

    def id_of(self, sequence: int) -> EventId:
        """The id of a notice that is kept."""
        return EventId(sequence, self.times[sequence - self.first])

    def offset_of(self, sequence: int) -> int:
        """Where a notice lies that is kept."""
        return self.offsets[sequence - self.first]


class Board:
    """Every ward's list and history."""

    def __init__(self) -> None:
        self._histories: dict[str, WardHistory] = {}
        self._lists: dict[str, dict[str, DesignationData]] = {}
        self._ward_of: dict[str, str] = {}
        self._acknowledged: dict[str, Acknowledgement] = {}
        self.recent = Recent()
        self.changes = 0
        """Grows with each notice and row: who looks for one that is not there need look again only then."""

    def note(self, notice: Stored) -> tuple[str, EventId]:
        """Take a notice in; its ward and id. Raises ValueError for a record that is none."""
        ward = notice.key or ""
        kept = kept_of(notice)
        sequence = kept.event_id.sequence
        if not sequence:
            raise ValueError("a record of notices has no sequence number")
        history = self._histories.get(ward)
        if history is None or sequence != history.last + 1:
            # The oldest kept; or, should a number ever be missing, a history that begins anew.
            at = TopicPartition(notice.topic, notice.partition)
            history = self._histories[ward] = WardHistory(at, sequence)
        history.add(notice)
        self.recent.add(ward, notice, kept)
        self.changes += 1
        return ward, kept.event_id

    def wards(self) -> list[str]:
        """Those that have ever been told of anybody, as far as it is kept."""
        return list({**self._histories, **self._lists})

    def set_row(self, row: Stored) -> str:
        """Take a row of topic ``inbound`` in: somebody is on the way, or no longer; the ward.

        Raises ValueError for one that cannot be read.
        """
        key = row.key or ""
        self.changes += 1
        if row.value is None:
            return self._forget(key)
        data = DesignationData.model_validate_json(row.value)
        self._ward_of[key] = data.ward
        self._lists.setdefault(data.ward, {})[key] = data
        return data.ward

    def _forget(self, key: str) -> str:
        ward = self._ward_of.pop(key, "")
        gone = self._lists.get(ward, {}).pop(key, None)
        said = self._acknowledged.get(key)
        if gone and said and said.is_of(gone):  # it may be of a later one, which is read next
            del self._acknowledged[key]
        return ward

    def acknowledge(self, record: Stored) -> Acknowledgement | None:
        """Take an acknowledgement in; None where that version was acknowledged already.

        Raises ValueError for one that cannot be read.
        """
        said = Acknowledgement.model_validate_json(record.value or b"")
        key = record.key or ""
        before = self._acknowledged.get(key)
        if before is not None and _opening(before) >= _opening(said):
            return None
        self._acknowledged[key] = said
        return said

    def acknowledgement(self, row: DesignationData) -> Acknowledgement | None:
        """Who has taken note that this one is coming, if anybody."""
        said = self._acknowledged.get(key_of(row))
        return said if said and said.is_of(row) else None

    def open_as(self, ward: str, designation: str) -> DesignationData | None:
        """The row whose newest notice has this id."""
        rows = self._lists.get(ward, {}).values()
        return next((row for row in rows if designation_of(row) == designation), None)

    def has(self, row: DesignationData) -> bool:
        """Whether the notice that the row is of has been taken in, or a later one of its ward."""
        history = self._histories.get(row.ward)
        return history is not None and row.sequence <= history.last

    def marked(self, row: DesignationData) -> DesignationData:
        """A notice's data, protected where the designation is by now."""
        newest = self._lists.get(row.ward, {}).get(key_of(row))
        is_protected = row.protected or (newest is not None and newest.protected)
        return row.model_copy(update={"protected": is_protected})

    def history(self, ward: str) -> WardHistory | None:
        """The ward's notices that are kept, if any."""
        return self._histories.get(ward)

    def last_id(self, ward: str) -> EventId:
        """Of the ward's newest notice; 0 before the first."""
        history = self._histories.get(ward)
        return history.id_of(history.last) if history else EventId(0)

    def inbound(self, ward: str) -> list[DesignationData]:
        """Who is on the way, those expected first at the top."""
        return sorted(self._lists.get(ward, {}).values(), key=_by_expected_time)

    def count(self, ward: str) -> int:
        """How many are on the way to the ward."""
        return len(self._lists.get(ward, ()))

    def open_designations(self) -> int:
        """How many are on the way to any ward."""
        return len(self._ward_of)


def key_of(row: DesignationData) -> str:
    """The key of its row, and of acknowledgements of it."""
    return joined(row.ward, row.visit.source, row.visit.visit)


def designation_of(row: DesignationData) -> str:
    """The id of the notice that the row repeats."""
    return notification_id(Name(row.visit.source, row.visit.visit, row.ward), row.version)


def _opening(said: Acknowledgement) -> tuple[datetime, int]:
    return (said.announced_at, said.seen_version)


def _by_expected_time(data: DesignationData) -> tuple[datetime, datetime, str, str]:
    return (data.expected_at or _LAST, data.announced_at, data.visit.source, data.visit.visit)
