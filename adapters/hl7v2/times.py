"""Parses HL7 times (TS, DTM) ``YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]`` into UTC.

Source: HL7 v2.5.1 chapter 2A, DTM. Rules, each named in the rule string of what it produced:

* an offset in the field decides; without one that of MSH-7, which is the message's default (section
  2.15.9.7), unless the feed says that it is not; without both the feed's zone does;
* a date alone is its midnight; a year or a month alone is not a time;
* the hour that autumn repeats: the later pass, unless that would lie in the future of the receipt
  (a live feed speaks of now, so the first pass is still under way then);
* the hour that spring skips: with the offset from before the change (RFC 5545, section 3.3.5).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from adapters.common.stamp import Moment

_DTM: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?([+-]\d{4})?",
    re.ASCII,
)
MAX_TIME_CHARS: Final = 40
"""Of a time: more digits of a second than any clock has. What is read is remembered."""

MAX_OFFSET_MINUTES: Final = 14 * 60
MINUTES_AN_HOUR: Final = 60


class Hl7TimeReader:
    """Reads times of one feed. ``skew`` is how far its clock may be ahead of ours.

    ``east``: what times without an offset are ahead of UTC, where their message says so.
    """

    def __init__(self, zone: str, skew: timedelta, east: timedelta | None = None) -> None:
        self._zone = ZoneInfo(zone)
        self._name = zone
        self._skew = skew
        self._east = east
        self._by_offset: dict[timedelta, Hl7TimeReader] = {}  # one for each minute of a day at most

    def of_message(self, sent: str) -> Hl7TimeReader:
        """The reader of the times of a message with this MSH-7."""
        east = _offset_in(sent)
        if east is None:
            return self
        if east not in self._by_offset:
            self._by_offset[east] = Hl7TimeReader(self._name, self._skew, east)
        return self._by_offset[east]

    def read(self, text: str, field: str, received_at: datetime) -> Moment | None:
        """The moment that a field says, or None where it holds no time."""
        written = _written(text) if len(text) <= MAX_TIME_CHARS else None
        if written is None:
            return None
        if written.tzinfo is UTC:
            return Moment(written, f"{field} with offset")
        try:
            if self._east is not None:
                at = written.replace(tzinfo=UTC) - self._east
                return Moment(at, f"{field} with the offset of MSH-7")
            return self._local(written, field, received_at)
        except OverflowError:  # the first or last day of the calendar
            return None

    def _local(self, written: datetime, field: str, received_at: datetime) -> Moment:
        local = written.replace(tzinfo=self._zone)
        moment = local.astimezone(UTC)
        later = local.replace(fold=1)
        if local.utcoffset() == later.utcoffset():
            return Moment(moment, f"{field} in {self._name}")
        if moment.astimezone(self._zone).replace(tzinfo=None) != written:
            return Moment(moment, f"{field} in {self._name}, hour skipped in spring")
        second = later.astimezone(UTC)
        if second <= received_at + self._skew:
            return Moment(second, f"{field} in {self._name}, second pass of the repeated hour")
        return Moment(moment, f"{field} in {self._name}, first pass of the repeated hour")


@lru_cache(maxsize=256)  # one message repeats its times, and so do those of one moment
def _written(text: str) -> datetime | None:
    """In UTC where the text carries an offset, without zone where it does not."""
    match = _DTM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups(default="0")
    try:
        written = datetime(  # noqa: DTZ001 - the zone follows
            int(year), int(month), int(day), int(hour), int(minute), int(second),
            int(fraction.ljust(6, "0")),
        )  # fmt: skip
        return written if offset == "0" else _with_offset(written, offset)
    except (ValueError, OverflowError):
        return None


def _offset_in(text: str) -> timedelta | None:
    """The offset of a time that can be read; None where it has none."""
    if text[-5:-4] not in {"+", "-"} or len(text) > MAX_TIME_CHARS or _written(text) is None:
        return None
    return _east(text[-5:])


def _with_offset(written: datetime, offset: str) -> datetime:
    return written.replace(tzinfo=UTC) - _east(offset)


def _east(offset: str) -> timedelta:
    hours, minutes = int(offset[1:3]), int(offset[3:])
    ahead = hours * MINUTES_AN_HOUR + minutes
    if minutes >= MINUTES_AN_HOUR or ahead > MAX_OFFSET_MINUTES:
        raise ValueError("no such offset")
    return timedelta(minutes=-ahead if offset[0] == "-" else ahead)
