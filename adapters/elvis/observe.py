"""The two observations that a snapshot gives rise to: a row's state, and an end by absence.

The id is derived from source, visit, trigger, export time and the row's cells as sent, so that
the same statement is the same observation, under whatever mapping it was read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.elvis.parse import Row
from adapters.elvis.row import RowClaims
from adapters.elvis.state import PatientState, sequence_of
from schemas.observation import Observation, OrderStamp, Rank, What

TRIGGER: Final = "row"
RECORDED_RULE: Final = "export time"


class Moment(NamedTuple):
    """The snapshot being compared: its scope and time, and when it reached us."""

    scope: str
    at: datetime
    received_at: datetime

    @property
    def sequence(self) -> int:
        """Orders the snapshots of all scopes."""
        return sequence_of(self.at, self.scope)


class Observer:
    """Makes the observations of one snapshot."""

    def __init__(self, feed: FeedIdentity, keyer: PatientKeyer, moment: Moment) -> None:
        self._feed = feed
        self._keyer = keyer
        self._recorded_at = moment.at
        self._recorded = moment.at.isoformat()
        self._stamp = OrderStamp(
            at=moment.at,
            sequence=moment.sequence,
            rank=Rank.UPDATE,
            received_at=moment.received_at,
        )

    def described(self, patient: PatientState, said: RowClaims, row: Row) -> Observation:
        """What a row says about the visit: it replaces what was said before."""
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
            recorded_rule=RECORDED_RULE,
            stamp=self._stamp,
        )
        return told.model_copy(update={"unread": said.unread}) if said.unread else told

    def discharged(self, patient: PatientState) -> Observation:
        """Every scope's newest snapshot lacks the patient."""
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
            recorded_rule=RECORDED_RULE,
            stamp=self._stamp.model_copy(update={"rank": Rank.DISCHARGE}),
        )

    def _id(self, patient: PatientState, *as_sent: str) -> str:
        source = self._feed.source
        return self._keyer.hash(
            "observation", source, patient.visit, TRIGGER, self._recorded, *as_sent
        )
