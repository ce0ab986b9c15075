"""Observations: what one source says about one visit (or patient) at one time, normalised.

Invariants
----------
* An observation is immutable. Its ``id`` is derived from what was sent (source, visit, trigger,
  recorded time and content as sent; not the control id, the message time or the feed), so the
  same statement sent again is the same observation.
* Claims are three-valued: a member left out says nothing (**absent**), ``null`` says that there
  is none (**cleared**), anything else is the **value**. On the wire and in ``model_fields_set``
  absent means not there; always serialise with ``exclude_unset`` (:meth:`Envelope.to_json`).
* A statement that is read again, with another profile or ward register, keeps its ``id`` and has a
  higher ``revision``; of all readings by one feed the one with the highest counts. Of several feeds
  what either can read counts.
* All observations of one input travel in one :class:`Envelope`: an input is whole or absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Literal, get_args

from pydantic import Field

from schemas.base import Frozen, OwnClock, Utc
from schemas.identifiers import IdentifierKind


class Rank(IntEnum):
    """Order of observations that share recorded time, source sequence and receipt.

    That is so of what one input says, and of what two connections brought in the same microsecond.
    """

    PLAN = 1
    MOVEMENT = 2
    UPDATE = 3
    DISCHARGE = 4
    CANCEL = 5


class What(StrEnum):
    """What happened, named by clinical intent; the trigger code stays in ``trigger``."""

    ADMISSION_PLANNED = "admission-planned"  # A05 A14
    TRANSFER_PLANNED = "transfer-planned"  # A15
    PLAN_CANCELLED = "plan-cancelled"  # A26 A27 A38
    DISCHARGE_PLANNED = "discharge-planned"  # A16
    DISCHARGE_PLAN_CANCELLED = "discharge-plan-cancelled"  # A25
    ADMITTED = "admitted"  # A01 A04 A06 A07
    ADMISSION_CANCELLED = "admission-cancelled"  # A11
    TRANSFERRED = "transferred"  # A02
    TRANSFER_CANCELLED = "transfer-cancelled"  # A12
    DISCHARGED = "discharged"  # A03, a visit gone from every snapshot
    DISCHARGE_CANCELLED = "discharge-cancelled"  # A13
    DEPARTED = "departed"  # A09: under way, or at a temporary place; never an arrival
    DEPARTURE_CANCELLED = "departure-cancelled"  # A33
    TRACKED = "tracked"  # A10: at a temporary place, or arrived where the patient is to stay
    TRACKING_CANCELLED = "tracking-cancelled"  # A32
    UPDATED = "updated"  # A08 A54 A55: compare, silent if nothing relevant changed
    CORRECTED = "corrected"  # Z99 that does not say what it corrects: the movement with its id
    DESCRIBED = "described"  # a state: a snapshot's row, a version of a FHIR Encounter
    PERSON_UPDATED = "person-updated"  # A28 A31: patient level, no visit
    PATIENTS_MERGED = "patients-merged"  # A40: patient level, no visit


class Protection(StrEnum):
    """A patient's protection mark, mildest first; a mark nobody knows counts as protected."""

    NONE = "none"
    CONFIDENTIAL = "confidential"  # sekretessmarkering
    UNKNOWN = "unknown"  # a mark is there, its meaning is not configured
    PROTECTED = "protected"  # skyddad folkbokföring


_STRICTNESS: Final = {level: rank for rank, level in enumerate(Protection)}


def strictest(levels: Iterable[Protection]) -> Protection:
    """What counts where several are said; none where nothing is."""
    return max(levels, key=_STRICTNESS.__getitem__, default=Protection.NONE)


class PatientIdentifier(Frozen):
    """One number of a patient. ``assigner`` is the OID, URI or name of who gave it, if said."""

    kind: IdentifierKind
    value: str
    assigner: str | None = None


class Patient(Frozen):
    """Who it is about. ``key`` is a keyed hash of the configured identifier: no number in it."""

    key: str
    identifiers: tuple[PatientIdentifier, ...]
    other_keys: tuple[str, ...] = Field(
        (), description="keys of all other numbers that the input gives for this patient, sorted"
    )


class Location(Frozen):
    """A place by the ward register's ward id; room and bed as the source names them."""

    ward: str
    room: str | None = None
    bed: str | None = None


class Claims(Frozen):
    """What is claimed, three-valued (absent, cleared, value): ask :meth:`says` before reading."""

    responsible_ward: str | None = None
    place: Location | None = Field(None, description="the assigned place: where the patient lies")
    temporary_place: Location | None = Field(
        None, description="where the patient is for a while and will not stay: fulfils no mark"
    )
    mark: Location | None = Field(None, description="the ward (room, bed) it is meant for")
    expected_at: Utc | None = Field(None, description="when the patient is expected there")
    planned_discharge_at: Utc | None = None
    on_leave: bool | None = None
    visit_class: str | None = Field(None, description="HL7 table 0004 code: I, E, O, P, …")
    admitting_doctor: str | None = Field(None, description="identifier, never a name")
    protection: Protection | None = None

    def says(self, name: str) -> bool:
        """Whether the claim is there at all (cleared or with a value)."""
        return name in self.model_fields_set


class OrderStamp(Frozen):
    """Where an observation sorts among those of its visit.

    ``at`` is the recorded time, or the receipt time where the recorded one lies further in the
    future than allowed. ``sequence`` is the source's own count (MSH-13, else MSH-7 in
    microseconds; ``meta.versionId``; file number). ``received_at`` is the first receipt. It rises
    strictly within one connection and within one file or Bundle, so it keeps the order of sending
    where the source's clock does not (HL7 clocks tick in seconds). ``series`` names what ``sequence``
    counts one by one (the versions of one resource at one server): within it the count goes before a
    time that contradicts it.
    """

    at: Utc
    sequence: int
    rank: Rank
    received_at: Utc
    series: str | None = Field(
        None, description="what the sequence counts, if it counts one by one"
    )


class Movement(Frozen):
    """IHE PAM ZBE: which movement this is about. ``update`` corrects what was said of it."""

    id: str = Field(description="empty where the source gives none: the latest of its kind")
    action: Literal["insert", "update", "cancel"] = "insert"
    historic: bool = Field(
        default=False, description="the claimed place is where it led then, not where anybody is"
    )
    original_event: str | None = None


class RawPointer(Frozen):
    """The record of topic ``raw`` an observation or review item comes from, and where in it."""

    id: str
    sha256: str = Field(description="of the bytes as received, hex")
    size: int = Field(description="bytes")
    name: str | None = Field(None, description="file name, for inputs that are files")
    index: int = Field(0, description="message or data row within the input, from 0")


Unread = Literal["place", "mark", "responsible_ward"]
MAY_BE_UNREAD: Final[tuple[Unread, ...]] = get_args(Unread)
OF_THE_MARK: Final = frozenset({"expected_at"})
"""Claims that say more of the mark that the same input makes, and nothing of an older one: where
that mark could not be read they are absent, too."""


class Observation(Frozen):
    """One statement. ``shape`` event patches the fields it claims; state replaces them all.

    Visit-level observations have a ``visit`` and a ``patient``; patient-level ones (person
    updated, patients merged) have no visit. ``merged_into`` is the surviving patient of a merge;
    ``patient`` is then the one that ceases.
    """

    id: str
    revision: int = Field(
        0, description="of the reading: the feed's number for how it reads, see `revisions`"
    )
    source: str
    feed: str
    what: What
    trigger: str = Field(description="as the source names it: A14, Z99, row, Encounter")
    shape: Literal["event", "state"]
    visit: str | None = None
    patient: Patient
    merged_into: Patient | None = None
    claims: Claims = Claims()
    unread: tuple[Unread, ...] = Field(
        (), description="claims that are made and could not be read: absent, and not as before"
    )
    occurred_at: Utc | None = None
    occurred_rule: str | None = Field(None, description="which field and zone gave occurred_at")
    takes_effect_at: Utc | None = Field(
        None,
        description="of a movement, discharge or state that had not happened when it was recorded: "
        "until then it is a plan, and it takes effect with the first tick at or after this time "
        "unless it was taken back",
    )
    recorded_at: Utc = Field(description="as sent")
    recorded_rule: str = Field(
        description="which field and zone gave recorded_at; `receipt` and `file time`: no field did"
    )
    stamp: OrderStamp
    movement: Movement | None = None
    corrects_patient: bool = Field(
        default=False,
        description="the visit is this patient's from now on, whoever's it was before",
    )

    def sort_key(self) -> tuple[datetime, int, datetime, int, str]:
        """The total order of a visit's observations (DESIGN: order stamp, then id)."""
        stamp = self.stamp
        return (stamp.at, stamp.sequence, stamp.received_at, stamp.rank, self.id)


BY_RECEIPT: Final = "receipt"
BY_FILE: Final = "file time"
OF_OUR_CLOCK: Final = frozenset({BY_RECEIPT, BY_FILE})
"""Rules of a recorded time that only this machine's clock tells: it confirms no clock of ours."""


class Envelope(Frozen):
    """One accepted input: everything it says, and where its bytes are. Topic ``observations``."""

    type: Literal["envelope"] = "envelope"
    version: Literal[1] = 1
    realm: str
    source: str
    feed: str
    received_at: OwnClock
    raw: RawPointer
    fingerprint: str = Field("", description="how the feed read it, see `revisions`")
    replayed_at: OwnClock | None = Field(
        None, description="when a person had it read again; none: it was read when it was received"
    )
    settles: tuple[str, ...] = Field(
        (), description="the router's review items of it that end, unless it meets them again"
    )
    observations: tuple[Observation, ...]

    @property
    def told_at(self) -> datetime:
        """When it comes to the router: what it leads to now is told as of then."""
        return self.replayed_at or self.received_at

    def to_json(self) -> bytes:
        """UTF-8 JSON; absent claims are left out, cleared ones are null."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)
