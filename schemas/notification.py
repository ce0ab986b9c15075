"""Notifications: what a ward is told. CloudEvents 1.0, structured JSON. Topic ``designations``.

Minimal fields: visit, ward, times and kind; no patient identity, so the topic may be shared.
The CloudEvents ``id`` is derived from announced source, announced visit, ward and version, and is
the same whenever the notification is delivered again. ``sequence`` counts a ward's notifications
from 1 without a gap. ``version`` counts those of one (source, visit, ward).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from schemas.base import Frozen, Utc, VisitRef

TYPE_PREFIX = "wardbridge.designation."
SCHEMA_ID: Final = "urn:wardbridge:notification:1"
DATA_SCHEMA_ID: Final = "urn:wardbridge:inbound:1"
"""``$id`` of the published JSON Schemas of a notification and of its data."""


class Kind(StrEnum):
    """What a ward is told about one designation. Receivers must pass over kinds unknown to them."""

    DESIGNATED = "designated"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    ARRIVED = "arrived"


class Reason(StrEnum):
    """Why. ``marked`` and ``reopened`` open; ``updated`` changes; the others close."""

    MARKED = "marked"
    REOPENED = "reopened"
    AUTHORITY_MOVED = "authority-moved"  # opens at the gaining, closes at the losing source
    UPDATED = "updated"
    MOVED_IN = "moved-in"
    CANCELLED = "cancelled"
    REDESIGNATED = "redesignated"
    DISCHARGED = "discharged"
    CORRECTED = "corrected"


class DesignationData(Frozen):
    """The ``data`` of a notification, and the value of topic ``inbound`` while it is open."""

    kind: Kind
    reason: Reason
    realm: str
    ward: str
    hospital: str | None = None
    visit: VisitRef = Field(description="the announced visit: kept until the designation closes")
    version: int = Field(ge=1)
    sequence: int = Field(ge=1, description="of this ward's notifications, without a gap")
    announced_at: Utc = Field(description="when it first opened: time of the record that did")
    expected_at: Utc | None = None
    room: str | None = Field(None, description="intended place in the ward, if said")
    bed: str | None = None
    protected: bool = Field(default=False, description="the patient has a protection mark")
    changes: tuple[str, ...] = Field(
        default=(), description="names of what changed, for kind changed"
    )


class Notification(Frozen):
    """A CloudEvent (CloudEvents 1.0, section 3: specversion, id, source, type are required)."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str = Field(description="/wardbridge/<realm>")
    type: str = Field(description=f"{TYPE_PREFIX}<kind>.v1")
    subject: str = Field(description="ward id")
    time: Utc
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = Field(DATA_SCHEMA_ID, description="of `data`: a JSON Schema's $id")
    data: DesignationData
