"""The profile of an HL7 v2 feed: what its messages mean. Every hospital sets its own.

Nobody outside knows which event a record system sends when a doctor marks a patient for a ward,
nor where it writes the ward; so every candidate can be switched here (``rules``). A field is named as
HL7 names it: ``PV1-42``, or ``ZVG-3.1`` for a component.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from adapters.common.identity import IdentitySettings
from adapters.common.outcome import MAX_TEXT_CHARS
from adapters.common.settings import MAX_SKEW_S, OrNone, Port, PortNumber, Section, ZoneName
from adapters.hl7v2 import charset
from adapters.hl7v2.fields import FieldName
from adapters.hl7v2.limits import MAX_MESSAGE_BYTES
from adapters.hl7v2.rules import (
    DEFAULT_CANCELS_NAME,
    DEFAULT_MARKS,
    CancellingTrigger,
    CancelRule,
    FieldChoice,
    MarkRule,
    Trigger,
)
from schemas.observation import Protection


def _known_charset(name: str) -> str:
    if not charset.is_known(name):
        raise ValueError(f"{name!r} is no character set that Python knows")
    return name


ProcessingId = Literal["P", "T", "D", ""]
CharsetName = Annotated[str, AfterValidator(_known_charset)]


class LocationLayout(Section):
    """Which component of a PL is what (the standard's own order by default)."""

    ward: int = Field(1, ge=1, le=11, description="component that holds the ward's code")
    room: OrNone[int] = Field(2, ge=1, le=11, description="component that holds the room")
    bed: OrNone[int] = Field(3, ge=1, le=11, description="component that holds the bed")
    facility: OrNone[int] = Field(
        4,
        ge=1,
        le=11,
        description="component that tells which hospital it is: 4 the facility, 7 the building, or "
        'another; `""`: none does, as where every place of the feed carries the same',
    )
    default_facility: str = Field(
        "", description="the facility of places that give none: where the feed is one hospital's"
    )

    @model_validator(mode="after")
    def _facility_apart(self) -> Self:
        if "facility" in self.model_fields_set and self.facility in self._of_the_place:
            raise ValueError(
                f"component {self.facility} is the ward, room or bed already: name another as facility"
            )
        return self

    @property
    def _of_the_place(self) -> tuple[int | None, ...]:
        return self.ward, self.room, self.bed

    @property
    def facility_component(self) -> int | None:
        """The component to read; a default that the ward, room or bed has taken is none."""
        return None if self.facility in self._of_the_place else self.facility


class ProtectionSettings(Section):
    """What the protection marks mean; a code that is not listed counts as protected."""

    pd1_12: Mapping[str, Protection] = Field(
        {"N": Protection.NONE, "Y": Protection.CONFIDENTIAL}, description="codes of PD1-12"
    )
    pv1_16: Mapping[str, Protection] = Field(
        {"N": Protection.NONE}, description="codes of PV1-16 (user-defined table 0099)"
    )
    pv2_22: Mapping[str, Protection] = Field(
        {"N": Protection.NONE, "Y": Protection.CONFIDENTIAL}, description="codes of PV2-22"
    )


class Hl7Profile(Section):
    """How to read one feed's messages."""

    marks: Mapping[Trigger, MarkRule] = Field(
        DEFAULT_MARKS,
        description="events that designate, and the fields that may hold the ward, in order: "
        "the first that is filled. A01 or A08 with PV1-42, or a Z segment, can be added; an "
        "event that is left out does not designate",
    )
    cancels: Mapping[CancellingTrigger, CancelRule] = Field(
        default_factory=dict,
        description="events that take a plan back, besides A26, A27 and A38, and the fields that may "
        "hold its ward: a Z segment of A08, say",
    )
    cancels_name: tuple[FieldChoice, ...] = Field(
        DEFAULT_CANCELS_NAME, description="where A26, A27 and A38 name the ward they cancel"
    )
    occurred: tuple[FieldName, ...] = Field(
        ("EVN-6", "ZBE-2"),
        description="where it stands when an event took place, in order: the first that is filled",
    )
    occurred_ahead: Literal["planned", "happened"] = Field(
        "planned",
        description="a movement or discharge whose occurred time is later than its recorded time by "
        "more than `future_s`: `planned` takes effect when its time comes, unless it is taken back; "
        "`happened` at once, where the sender means something else by that field",
    )
    updates_move: bool = Field(
        default=False,
        description="whether PV1-3 of A08, A54 and A55 moves the patient; most systems put the "
        "planned ward there before the admission, which must not look like an arrival",
    )
    visit: FieldName = Field("PV1-19", description="the visit's number: one field for the feed")
    visit_assigner: OrNone[str] = Field(
        None,
        max_length=MAX_TEXT_CHARS,
        description="who gives the visit numbers that come without an assigner (CX-4); none: they "
        "are another visit's than the same numbers with one",
    )
    assigners: Mapping[str, str] = Field(
        default_factory=dict,
        description="other names of assigners (CX-4) to the one that counts, for patients and "
        "visits: the universal id to the namespace id where some messages have one and some both",
    )
    corrects_patient: bool = Field(
        default=False,
        description="whether A08 with another patient corrects whose the visit is; without it such "
        "an event changes nothing and is in review",
    )
    responsible_ward: FieldName = Field(
        "ZBE-7", description="medically responsible ward: an XON (component 10, else 1) or a code"
    )
    admitting_doctor: FieldName = Field("PV1-17", description="who marks the patient")
    location: LocationLayout = Field(LocationLayout(), description="order of PL components")
    patient: IdentitySettings = Field(IdentitySettings(), description="which number is the patient")
    protection: ProtectionSettings = Field(ProtectionSettings(), description="protection codes")
    zone: ZoneName = Field("Europe/Stockholm", description="of times that carry no offset")
    offset_of_msh_7: bool = Field(
        default=True,
        description="whether an offset in MSH-7 holds for every time of the message that has none of its "
        "own, as the standard says; without it the zone holds, as for a sender who writes all other "
        "times by the clock on the wall",
    )
    charset: CharsetName = Field(
        "iso8859-1",
        description="where MSH-18 is empty, or contradicted by the bytes, and they are not UTF-8",
    )
    charsets: Mapping[str, CharsetName] = Field(
        default_factory=dict,
        description="what names in MSH-18 mean to this sender, as Python's codecs: before table 0211, "
        "and believed whatever the bytes look like",
    )
    future_s: int = Field(
        300, ge=0, le=MAX_SKEW_S, description="how far ahead of our clock a recorded time may be"
    )
    processing_ids: tuple[ProcessingId, ...] = Field(
        ("P", ""),
        description="MSH-11 of what is meant: P production, T training, D debugging; "
        "anything else waits for a person, so that a test tells no ward of a patient",
    )
    review_answer: Literal["AA", "AE"] = Field(
        "AA", description="what the sender of a message is told that is stored but in review"
    )
    answers: Literal["as-asked", "always"] = Field(
        "as-asked", description="whether MSH-15 and MSH-16 decide, or every message is answered"
    )


class MllpListener(Port):
    """One MLLP port and its limits."""

    port: PortNumber = Field(2575, description="port to listen on; 0 takes a free one")
    max_connections: int = Field(
        64, ge=1, description="one more, and the one that has been silent longest goes for it"
    )
    max_connections_per_peer: int = Field(
        32, ge=1, description="from one address, or one network (/64) of IPv6"
    )
    idle_s: float | None = Field(
        None,
        gt=0,
        description="a sender silent for so long between messages is disconnected; none: never, for "
        "many senders keep one connection for days",
    )
    max_message_bytes: int = Field(
        MAX_MESSAGE_BYTES, ge=1_024, le=MAX_MESSAGE_BYTES, description="larger ones get AR"
    )
    max_unanswered: int = Field(
        256, ge=1, description="messages of a connection on their way before reading pauses"
    )
    max_unanswered_bytes: int = Field(
        4_000_000, ge=1, description="their bytes, before reading pauses"
    )
    stall_s: float = Field(
        30.0, gt=0, description="a sender silent for so long amid a frame is disconnected"
    )
