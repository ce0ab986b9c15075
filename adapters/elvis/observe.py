"""Builds the two observations of a snapshot: the state of a row, and an end by absence.

The id is derived from source, visit, trigger, export time and the row's cells as sent, so that
the same statement is the same observation, under whatever mapping it was read. The receipt is that of
the file, and a microsecond more for each row before: within one file it keeps the order of rows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.elvis.row import RowClaims
from adapters.elvis.rows import ExportRow
from adapters.elvis.state import PatientState, sequence_of
from schemas.observation import Observation, OrderStamp, Rank, What

TRIGGER: Final = "row"
RECORDED_RULE: Final = "export time"
TICK: Final = timedelta(microseconds=1)
"""The least by which two receipts differ."""


class SnapshotMoment(NamedTuple):
    """The snapshot being compared: its scope and time, when it reached us, and what gave its time."""

    scope: str
    at: datetime
    received_at: datetime
    rule: str = RECORDED_RULE

    @property
    def sequence(self) -> int:
        """Orders the snapshots of all scopes."""
        return sequence_of(self.at, self.scope)


class SnapshotObserver:
    """Makes the observations of one snapshot."""

    def __init__(self, feed: FeedIdentity, keyer: PatientKeyer, moment: SnapshotMoment) -> None:
        self._feed = feed
        self._keyer = keyer
        self._recorded_at = moment.at
        self._recorded = moment.at.isoformat()
        self._moment = moment
        self._sequence = moment.sequence

    def described(
        self, patient: PatientState, said: RowClaims, row: ExportRow, number: int
    ) -> Observation:
        """What a row (``number`` from 0) says about the visit: it replaces what was said before."""
        told = Observation(
            id=self._id(patient, *row.cells),
            **self._feed.reading,
            source=self._feed.source,
            feed=self._feed.name,
            what=What.DESCRIBED,
            trigger=TRIGGER,
            shape="state",
            visit=patient.visit,
            patient=patient.patient,
            claims=said.claims,
            recorded_at=self._recorded_at,
            recorded_rule=self._moment.rule,
            stamp=self._stamp(number, Rank.UPDATE),
        )
        return told.model_copy(update={"unread": said.unread}) if said.unread else told

    def discharged(self, patient: PatientState, number: int) -> Observation:
        """Every scope's newest snapshot lacks the patient; ``number`` goes on behind the rows."""
        return Observation(
            id=self._id(patient),
            **self._feed.reading,
            source=self._feed.source,
            feed=self._feed.name,
            what=What.DISCHARGED,
            trigger=TRIGGER,
            shape="event",
            visit=patient.visit,
            patient=patient.patient,
            recorded_at=self._recorded_at,
            recorded_rule=self._moment.rule,
            stamp=self._stamp(number, Rank.DISCHARGE),
        )

    def _stamp(self, number: int, rank: Rank) -> OrderStamp:
        return OrderStamp(
            at=self._moment.at,
            sequence=self._sequence,
            rank=rank,
            received_at=self._moment.received_at + number * TICK,
        )

    def _id(self, patient: PatientState, *as_sent: str) -> str:
        source = self._feed.source
        return self._keyer.hash(
            "observation", source, patient.visit, TRIGGER, self._recorded, *as_sent
        )
