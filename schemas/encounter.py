"""The encounter view: what one source currently says about one visit. Topic ``encounters``."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.observation import Location, Protection


class Phase(StrEnum):
    """Where a visit is in its life."""

    PLANNED = "planned"
    ACTIVE = "active"
    DISCHARGED = "discharged"
    CANCELLED = "cancelled"


class Mark(Frozen):
    """The ward a visit is meant for; fulfilled once the patient has arrived there."""

    to: Location
    expected_at: Utc | None = None
    fulfilled: bool = False


class PlannedMove(Frozen):
    """A movement that is said and has not happened yet."""

    to: Location
    at: Utc


class EncounterView(Frozen):
    """The fold of a visit's observations in stamp order. Patient by key only."""

    type: Literal["encounter-view"] = "encounter-view"
    version: Literal[1] = 1
    source: str
    visit: str
    patient: str = Field(description="patient key, before merges")
    phase: Phase = Phase.PLANNED
    place: Location | None = Field(None, description="the assigned place")
    temporary_place: Location | None = Field(
        None, description="where the patient is for a while, keeping the assigned place"
    )
    planned_move: PlannedMove | None = Field(
        None, description="the next movement that is said and has not happened yet"
    )
    responsible_ward: str | None = None
    mark: Mark | None = None
    planned_discharge_at: Utc | None = None
    on_leave: bool | None = None
    visit_class: str | None = None
    admitting_doctor: str | None = None
    protection: Protection = Protection.NONE
    last_at: Utc = Field(description="stamp time of the newest observation folded")
