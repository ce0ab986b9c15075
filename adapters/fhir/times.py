"""FHIR times (instant, dateTime), read into UTC.

Source: http://hl7.org/fhir/R4/datatypes.html#dateTime. A time of day carries an offset; one
without is refused, never read in some zone. A date alone is its midnight in the feed's zone; a
year or a month alone is not a time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.outcome import Trouble
from adapters.common.stamp import Moment

_DATE_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MAX_OFFSET: Final = timedelta(hours=14)


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
    return Trouble("time-unreadable", "no FHIR time of day precision or better", where)


def _of_day(match: re.Match[str], where: str) -> Moment | Trouble:
    day, time, second, fraction, offset = match.groups(default="")
    if not offset:
        return Trouble("time-without-zone", "a time of day carries its offset", where)
    written = datetime.fromisoformat(f"{day}T{time}{second or ':00'}.{fraction:0<6}{offset}")
    if abs(written.utcoffset() or timedelta()) > MAX_OFFSET:
        raise ValueError("no such offset")
    return Moment(written.astimezone(UTC), where)


def _midnight(text: str, where: str, zone: ZoneInfo) -> Moment:
    day = date.fromisoformat(text)
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return Moment(local.astimezone(UTC), f"{where}, midnight in {zone.key}")
