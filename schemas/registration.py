"""Who is told, and from when on. Topic ``registrations``: one row for each name.

Whoever asked over HTTP has a :class:`Registration`, those of the configuration a :class:`Configured`, which
says only since when: how they are told stands in the configuration.

Invariant: no secret stands here in the clear. The channel's settings, its address (which may hold a token) and
keys among them, are in ``sealed``, which only this installation can open; what is sealed for one name cannot
be opened as another's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.fields import Level
from schemas.notification import Kind


class Content(StrEnum):
    """How much of what happened a FHIR notification holds (backport-content-value-set)."""

    EMPTY = "empty"
    ID_ONLY = "id-only"
    FULL_RESOURCE = "full-resource"


class Owner(Frozen):
    """Whose right to read decides what is told: looked up anew whenever something happens."""

    name: str = Field(description="of the token or certificate; empty where nobody is asked")
    how: str = Field(description="token, certificate, or nobody-asked")


class Registration(Frozen):
    """One subscriber that is in no configuration file."""

    type: Literal["registration"] = "registration"
    version: Literal[1] = 1
    name: str
    revision: int = Field(1, ge=1, description="grows with every change")
    at: Utc = Field(description="when it was last changed")
    owner: Owner | None = Field(None, description="none: registered by those who operate")
    channel: str = Field(description="its kind: webhook, mllp, fhir")
    wards: tuple[str, ...] = Field((), description="none and no hospitals: all the owner may read")
    hospitals: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = Field((), description="none: all")
    fields: Level = Field(
        "minimal", description="how much it is told; of FHIR's the owner's rights decide"
    )
    token: str = Field(
        "", description="of its own: may read what it was sent, and have it sent again"
    )
    sealed: str = Field(description="how the channel is to be, address and keys: base64, encrypted")
    reason: str = Field("", description="for people: why it is told")
    off: bool = Field(default=False, description="whoever registered it wants nothing for now")
    removed: bool = Field(
        default=False, description="it is told nothing more; the name stays taken, for its numbers"
    )
    end: Utc | None = Field(None, description="told of nothing from then on")
    since: dict[int, int] = Field(
        {}, description="by partition of `designations`, the first that it is told of"
    )


class Configured(Frozen):
    """A subscriber of the configuration, since it was first there."""

    type: Literal["configured"] = "configured"
    version: Literal[1] = 1
    name: str
    since: dict[int, int] = Field(
        description="by partition of `designations`, the first that it is told of"
    )
