"""How the router's tests speak: a source says things about a visit, a router hears them.

``ehr.a14("W1")`` is a pending admission to W1, one minute after what the source said before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from schemas.observation import (
    Claims,
    Envelope,
    Location,
    Movement,
    Observation,
    OrderStamp,
    Patient,
    Protection,
    Rank,
    RawPointer,
    Unread,
    What,
)

START = datetime(2026, 1, 20, 6, 0, tzinfo=UTC)
REALM = "lab"

TRIGGERS: dict[What, tuple[str, Rank]] = {
    What.ADMISSION_PLANNED: ("A14", Rank.PLAN),
    What.TRANSFER_PLANNED: ("A15", Rank.PLAN),
    What.PLAN_CANCELLED: ("A27", Rank.CANCEL),
    What.DISCHARGE_PLANNED: ("A16", Rank.PLAN),
    What.DISCHARGE_PLAN_CANCELLED: ("A25", Rank.CANCEL),
    What.ADMITTED: ("A01", Rank.MOVEMENT),
    What.ADMISSION_CANCELLED: ("A11", Rank.CANCEL),
    What.TRANSFERRED: ("A02", Rank.MOVEMENT),
    What.TRANSFER_CANCELLED: ("A12", Rank.CANCEL),
    What.DISCHARGED: ("A03", Rank.DISCHARGE),
    What.DISCHARGE_CANCELLED: ("A13", Rank.CANCEL),
    What.DEPARTED: ("A09", Rank.MOVEMENT),
    What.DEPARTURE_CANCELLED: ("A33", Rank.CANCEL),
    What.TRACKED: ("A10", Rank.MOVEMENT),
    What.TRACKING_CANCELLED: ("A32", Rank.CANCEL),
    What.UPDATED: ("A08", Rank.UPDATE),
    What.CORRECTED: ("Z99", Rank.UPDATE),
    What.DESCRIBED: ("row", Rank.UPDATE),
    What.PERSON_UPDATED: ("A31", Rank.UPDATE),
    What.PATIENTS_MERGED: ("A40", Rank.UPDATE),
}


def minutes(count: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=count)


def patient(key: str, *others: str) -> Patient:
    return Patient(key=key, identifiers=(), other_keys=others)


def place(text: str) -> Location:
    """``W1``, ``W1/room`` or ``W1/room/bed``."""
    ward, room, bed, *_ = [*text.split("/"), None, None]
    return Location(ward=ward or "", room=room, bed=bed)


@dataclass
class Source:
    """Says things, each a minute after the last; about visit v1 of patient p1 unless told.

    ``counts``: it numbers what it says. If not, statements of one second differ in receipt only.
    """

    name: str = "ehr"
    visit: str = "v1"
    patient: str = "p1"
    at: datetime = START
    said: int = field(default=0)
    others: tuple[str, ...] = ()
    counts: bool = True

    def observe(  # noqa: PLR0913 - what an observation may carry, each part named
        self,
        what: What,
        claims: Claims | None = None,
        *,
        at: datetime | None = None,
        movement: str | None = None,
        merged_into: str | None = None,
        shape: str = "event",
        revision: int = 0,
    ) -> Observation:
        claims = claims if claims is not None else Claims()
        self.said += 1
        self.at = max(self.at + timedelta(minutes=1), at or START)
        when = at or self.at
        trigger, rank = TRIGGERS[what]
        visit = None if what in (What.PERSON_UPDATED, What.PATIENTS_MERGED) else self.visit
        content = claims.model_dump_json(exclude_unset=True) + str(movement) + str(merged_into)
        content += "".join(self.others)
        # what is said twice in one second differs in some field that is of no concern here
        identity = f"{self.name} {visit} {self.patient} {what} {when} {content} {self.said}"
        return Observation(
            id=hashlib.sha256(identity.encode()).hexdigest()[:24],
            revision=revision,
            source=self.name,
            feed=self.name,
            what=what,
            trigger=trigger,
            shape="state" if shape == "state" else "event",
            visit=visit,
            patient=patient(self.patient, *self.others),
            merged_into=patient(merged_into) if merged_into else None,
            claims=claims,
            recorded_at=when,
            recorded_rule="test",
            stamp=self._stamp(when, rank),
            movement=Movement(id=movement) if movement else None,
        )

    def _stamp(self, at: datetime, rank: Rank) -> OrderStamp:
        sequence = self.said if self.counts else int(at.timestamp())
        received_at = at + self.said * timedelta(microseconds=1)
        return OrderStamp(at=at, sequence=sequence, rank=rank, received_at=received_at)

    def _marks(self, what: What, ward: str, at: datetime | None, **more: object) -> Observation:
        claims = Claims.model_validate({"mark": place(ward), **more})
        return self.observe(what, claims, at=at)

    def a05(self, ward: str, at: datetime | None = None, **more: object) -> Observation:
        return self._marks(What.ADMISSION_PLANNED, ward, at, **more)

    def a14(self, ward: str, at: datetime | None = None, **more: object) -> Observation:
        return self._marks(What.ADMISSION_PLANNED, ward, at, **more)

    def a15(self, ward: str, at: datetime | None = None, **more: object) -> Observation:
        return self._marks(What.TRANSFER_PLANNED, ward, at, **more)

    def a27(self, ward: str | None = None, at: datetime | None = None) -> Observation:
        claims = Claims(mark=place(ward)) if ward else Claims()
        return self.observe(What.PLAN_CANCELLED, claims, at=at)

    def _moves(
        self, what: What, ward: str | None, at: datetime | None, movement: str | None = None
    ) -> Observation:
        claims = Claims(place=place(ward)) if ward else Claims()
        return self.observe(what, claims, at=at, movement=movement)

    def a01(self, ward: str, at: datetime | None = None) -> Observation:
        return self._moves(What.ADMITTED, ward, at)

    def a02(
        self, ward: str, at: datetime | None = None, movement: str | None = None
    ) -> Observation:
        return self._moves(What.TRANSFERRED, ward, at, movement)

    def a12(
        self, ward: str | None = None, at: datetime | None = None, movement: str | None = None
    ) -> Observation:
        return self._moves(What.TRANSFER_CANCELLED, ward, at, movement)

    def a03(self, at: datetime | None = None) -> Observation:
        return self.observe(What.DISCHARGED, at=at)

    def a13(self, ward: str | None = None, at: datetime | None = None) -> Observation:
        return self._moves(What.DISCHARGE_CANCELLED, ward, at)

    def a11(self, at: datetime | None = None) -> Observation:
        return self.observe(What.ADMISSION_CANCELLED, at=at)

    def unread(self, what: What, name: Unread = "place") -> Observation:
        """A statement with a claim that nobody could read."""
        return self.observe(what).model_copy(update={"unread": (name,)})

    def _tracks(
        self, what: What, ward: str | None, temporary: str | None, at: datetime | None
    ) -> Observation:
        claims = {"temporary_place": place(temporary) if temporary else None}
        claims |= {"place": place(ward)} if ward else {}
        return self.observe(what, Claims.model_validate(claims), at=at)

    def a09(self, temporary: str | None = None, at: datetime | None = None) -> Observation:
        return self._tracks(What.DEPARTED, None, temporary, at)

    def a33(self, temporary: str | None = None, at: datetime | None = None) -> Observation:
        return self._tracks(What.DEPARTURE_CANCELLED, None, temporary, at)

    def a10(
        self, ward: str | None = None, at: datetime | None = None, temporary: str | None = None
    ) -> Observation:
        return self._tracks(What.TRACKED, ward, temporary, at)

    def a32(
        self, ward: str | None = None, at: datetime | None = None, temporary: str | None = None
    ) -> Observation:
        return self._tracks(What.TRACKING_CANCELLED, ward, temporary, at)

    def a08(self, at: datetime | None = None, **claims: object) -> Observation:
        return self.observe(What.UPDATED, Claims.model_validate(claims), at=at)

    def z99(self, movement: str, at: datetime | None = None) -> Observation:
        """IHE PAM's historic movement management: the movement is cancelled (ZBE-4)."""
        said = self.observe(What.UPDATED, at=at, movement=movement)
        return said.model_copy(update={"movement": Movement(id=movement, action="cancel")})

    def retold(  # noqa: PLR0913 - what a movement told again may carry, each part named
        self,
        movement: str,
        ward: str,
        at: datetime | None = None,
        *,
        what: What = What.TRANSFERRED,
        action: Literal["insert", "update"] = "update",
        past: datetime | None = None,
    ) -> Observation:
        """A movement told again (ZBE-4), or told of the past (ZBE-5) as of ``past``."""
        said = self._moves(what, ward, at, movement)
        history = Movement(id=movement, action=action, historic=past is not None)
        return said.model_copy(update={"movement": history, "occurred_at": past})

    def a16(self, leaves_at: datetime, at: datetime | None = None) -> Observation:
        claims = Claims(planned_discharge_at=leaves_at)
        return self.observe(What.DISCHARGE_PLANNED, claims, at=at)

    def a25(self, at: datetime | None = None) -> Observation:
        return self.observe(What.DISCHARGE_PLAN_CANCELLED, at=at)

    def a31(self, protection: Protection | None = None, at: datetime | None = None) -> Observation:
        claims = Claims(protection=protection) if protection else Claims()
        return self.observe(What.PERSON_UPDATED, claims, at=at)

    def a40(self, survivor: str, at: datetime | None = None) -> Observation:
        return self.observe(What.PATIENTS_MERGED, at=at, merged_into=survivor)

    def merged(self, *survivor: str, at: datetime | None = None) -> Observation:
        """An A40 whose surviving patient has several numbers, mainly the first of them."""
        said = self.a40(survivor[0], at)
        return said.model_copy(update={"merged_into": patient(*survivor)})

    def of(self, patient: str, *others: str) -> Source:
        """The same source and visit, about the patient with these numbers from now on."""
        self.patient, self.others = patient, others
        return self

    def row(
        self,
        lies: str | None,
        marked: str | None = None,
        at: datetime | None = None,
        **more: object,
    ) -> Observation:
        """A snapshot's row: a state, which says of each column that there is none, if so."""
        claims = Claims.model_validate(
            {
                "place": place(lies) if lies else None,
                "mark": place(marked) if marked else None,
                **more,
            }
        )
        return self.observe(What.DESCRIBED, claims, at=at, shape="state")


def ahead(said: Observation, until: datetime) -> Observation:
    """The same of something that has not happened, and is to happen then."""
    return said.model_copy(update={"takes_effect_at": until, "occurred_at": until})


def of_movement(
    said: Observation,
    movement: str,
    action: Literal["insert", "update", "cancel"] = "insert",
    *,
    past: datetime | None = None,
    occurred: datetime | None = None,
) -> Observation:
    """The same with what ZBE says: ``update`` corrects, ``past`` is of history at that time."""
    zbe = Movement(id=movement, action=action, historic=past is not None)
    return said.model_copy(
        update={"movement": zbe, "occurred_at": past or occurred or said.occurred_at}
    )


def in_charge(said: Observation, lies: str = "OUT") -> Observation:
    """The same of the ward that is responsible, of a patient who lies elsewhere."""
    claims, names = said.claims, {"place": "responsible_ward"}
    unread = tuple(names.get(name, name) for name in said.unread)
    if claims.says("place"):
        ward = claims.place.ward if claims.place else None
        claims = claims.model_copy(update={"place": place(lies), "responsible_ward": ward})
    return said.model_copy(update={"claims": claims, "unread": unread})


def again(said: Observation, later_s: int = 3600) -> Observation:
    """The same statement under a new control id and message time: another receipt, the same id."""
    stamp = said.stamp.model_copy(
        update={
            "sequence": said.stamp.sequence + later_s,
            "received_at": said.stamp.received_at + timedelta(seconds=later_s),
        }
    )
    return said.model_copy(update={"stamp": stamp})


def envelope(*said: Observation, received_at: datetime | None = None) -> Envelope:
    """One accepted input."""
    first = said[0]
    return Envelope(
        realm=REALM,
        source=first.source,
        feed=first.feed,
        received_at=received_at or max(each.stamp.received_at for each in said),
        raw=RawPointer(id=f"raw-{first.id}", sha256="0" * 64, size=1),
        observations=said,
    )
