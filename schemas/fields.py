"""How much of a patient somebody is told: levels of fields, and what each tells beside a notice.

A notice itself has the minimal fields, for everybody. ``operational`` adds :class:`Details`, ``identified``
also :class:`Identity`, and both for protected persons, of whom below it nothing is told besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

from pydantic import ConfigDict, Field

from schemas.base import Frozen, Utc
from schemas.identifiers import IdentifierKind
from schemas.patient import Sex

Level = Literal["minimal", "operational", "identified"]
"""How much of a patient is seen, the least first."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)

LevelAt = Callable[[str, str | None], Level]
"""How much somebody is told at a ward, of its hospital, now."""


def reaches(seen: Level, wanted: Level) -> bool:
    """Whether who sees so much sees what is wanted."""
    return LEVELS.index(seen) >= LEVELS.index(wanted)


def always(level: Level) -> LevelAt:
    """The same at every ward."""

    def level_at(ward: str, hospital: str | None) -> Level:
        del ward, hospital
        return level

    return level_at


class Details(Frozen):
    """What a ward with operational fields is told besides; what is not known is none."""

    from_ward: str | None = Field(None, description="where the patient lies now: ward id")
    from_name: str | None = Field(None, description="its name")
    from_hospital: str | None = None
    on_leave: bool | None = None
    planned_discharge_at: Utc | None = None


class Identity(Frozen):
    """Who somebody is, as far as it is known."""

    model_config = ConfigDict(hide_input_in_errors=True)  # errors end up in logs

    number: str
    kind: IdentifierKind = Field(description="what the number is")
    assigner: str | None = Field(None, description="who gave it, as far as it is said")
    family: str | None = None
    given: str | None = None
    born: str | None = Field(None, description="date, month or year, as exact as it is known")
    sex: Sex | None = Field(None, description="administrative sex")


class Beside(Frozen):
    """What is told beside one notice, as it is known at that moment."""

    model_config = ConfigDict(hide_input_in_errors=True)

    level: Level
    details: Details | None = None
    patient: Identity | None = None
    protected: bool = Field(default=False, description="the patient has a protection mark by now")
    incomplete: bool = Field(
        default=False, description="more may be told, and was not known in time"
    )
