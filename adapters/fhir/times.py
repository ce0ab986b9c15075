"""Parses FHIR times (instant, dateTime) into UTC.

Source: http://hl7.org/fhir/R4/datatypes.html#dateTime. A time of day carries an offset; one
without is refused, never read in some zone. A date alone, as a moment, is its midnight in the feed's zone;
a year or a month alone is no moment. As a bound of a period (#Period) each is a span: the end of a period
includes all that it names, so a day ends with its last moment.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.common.stamp import Moment

_DATE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PARTIAL_DATE: Final = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_NEVER: Final = re.compile(r"9999(-12(-31(T.*)?)?)?", re.ASCII)
"""How systems write that there is no end."""
_MONTH_CHARS: Final = len("2026-03")
MAX_OFFSET: Final = timedelta(hours=14)
"""From UTC: no clock on earth differs by more; it keeps what is read within the years that there are."""


class TimeSpan(NamedTuple):
    """What a dateTime names: from a moment until just before another; both alike for a time of day."""

    start: datetime
    end: datetime


FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


def read_time(text: str, where: str, zone: ZoneInfo) -> Moment | Trouble:
    """The moment that a non-empty element says, or why it says none."""
    try:
        match = _DATE_TIME.fullmatch(text)
        if match is not None:
            return _of_day(match, where)
        if _DATE.fullmatch(text):
            return _midnight(text, where, zone)
    except (ValueError, OverflowError):
        pass  # no such day, or before the first or after the last one
    return Trouble(
        "time-unreadable",
        "no FHIR time of day precision or better: write 2026-03-02T10:00:00+01:00, or 2026-03-02",
        where,
    )


def span_of(text: str, zone: ZoneInfo) -> TimeSpan | None:
    """What a bound of a period names, a year or a month too; None where it cannot be read."""
    if "T" in text:
        found = read_time(text, "", zone)
        if isinstance(found, Moment):
            return TimeSpan(found.at, found.at)
        return TimeSpan(FOR_EVER, FOR_EVER) if _NEVER.fullmatch(text) else None
    if not _PARTIAL_DATE.fullmatch(text):
        return None
    try:
        first = date.fromisoformat(f"{text}-01-01"[: len("2026-03-02")])
        start = _start_of(first, zone)
    except (ValueError, OverflowError):
        return None
    return TimeSpan(
        start, FOR_EVER if _NEVER.fullmatch(text) else _start_of(_after(first, text), zone)
    )


def _after(first: date, text: str) -> date:
    """The day after a year, a month or a day."""
    if len(text) > _MONTH_CHARS:
        return first + timedelta(days=1)
    if len(text) < _MONTH_CHARS or first.month == 12:  # noqa: PLR2004 - December
        return date(first.year + 1, 1, 1)
    return date(first.year, first.month + 1, 1)


def _of_day(match: re.Match[str], where: str) -> Moment | Trouble:
    day, time, second, fraction, offset = match.groups(default="")
    if not offset:
        return Trouble("time-without-zone", "a time of day carries its offset", where)
    written = datetime.fromisoformat(f"{day}T{time}{second or ':00'}.{fraction:0<6}{offset}")
    if abs(written.utcoffset() or timedelta()) > MAX_OFFSET:
        raise ValueError("no such offset")
    return Moment(written.astimezone(UTC), where)


def _midnight(text: str, where: str, zone: ZoneInfo) -> Moment:
    return Moment(_start_of(date.fromisoformat(text), zone), f"{where}, midnight in {zone.key}")


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
