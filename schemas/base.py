"""What every published model has in common.

Models are frozen. A reader ignores members that it does not know, so that a newer writer does
not stop an older reader; within one version members are only ever added. Times are UTC and carry
their offset on the wire (RFC 3339, ``Z``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, on the wrong side of midnight in UTC
        raise ValueError("the moment lies outside the years 1 to 9999 in UTC") from None


Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An aware moment, kept in UTC."""


YEARS: Final = range(1971, 2200)


def _of_our_age(moment: datetime) -> datetime:
    if moment.year in YEARS:
        return moment
    raise ValueError(f"no clock of ours says that: a moment of {YEARS.start} to {YEARS.stop - 1}")


OwnClock = Annotated[Utc, AfterValidator(_of_our_age)]
"""What a clock of ours said: near enough to reckon with."""


class Frozen(BaseModel):
    """Base of the published language: immutable, tolerant of unknown members when read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Section(BaseModel):
    """Base of tables of the configuration, and of what is asked over HTTP: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class VisitRef(Frozen):
    """One stay as one source numbers it: the identity of an encounter view."""

    source: str
    visit: str
