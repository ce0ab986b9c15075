"""Parses times of an export: local, in one of the configured forms.

Rules at the change of clocks: in the hour that autumn repeats a time means its first pass
(summer time) unless it carries an offset; a time in the hour that spring skips is unreadable. What lies
before 1971 or after 2099 is no time of care: programs write such dates where they have none (0001-01-01,
1753-01-01, 1899-12-30, 1970-01-01, 9999-12-31).

Every function is total: a moment, or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2099
MAX_TIME_CHARS: Final = 100
"""A longer text is no time; patterns are not tried on megabytes."""


class ExportTimeReader:
    """Reads times into UTC; remembers what it has read (an export repeats its times)."""

    def __init__(self, forms: Sequence[str], zone: str) -> None:
        self._forms = tuple(forms)
        self._zone = ZoneInfo(zone)
        self._read: dict[str, datetime | None] = {}

    def read(self, text: str) -> datetime | None:
        """The moment in UTC, or None where the text has none of the forms."""
        if text not in self._read:
            self._read[text] = self._moment(text, fold=0)
        return self._read[text]

    def read_second_pass(self, text: str) -> datetime | None:
        """The moment if it lies in the second pass of a repeated hour; equal to ``read`` if not."""
        return self._moment(text, fold=1)

    def _moment(self, text: str, fold: int) -> datetime | None:
        as_written = _parsed(text, self._forms)
        if as_written is None or not FIRST_YEAR <= as_written.year <= LAST_YEAR:
            return None
        if as_written.tzinfo is not None:
            return as_written.astimezone(UTC)
        local = as_written.replace(tzinfo=self._zone, fold=fold)
        moment = local.astimezone(UTC)
        exists = moment.astimezone(self._zone).replace(tzinfo=None) == as_written
        return moment if exists else None


def _parsed(text: str, forms: Sequence[str]) -> datetime | None:
    if len(text) > MAX_TIME_CHARS or not text.isascii():  # digits of other scripts are digits to it
        return None
    for form in forms:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows
        except (ValueError, OverflowError):
            continue
    return None


def is_time_form(form: str) -> bool:
    """Whether a form can be read, and gives a day, an hour and a minute."""
    sample = datetime(2026, 11, 30, 22, 45, tzinfo=UTC)
    try:
        read = datetime.strptime(sample.strftime(form), form)  # noqa: DTZ007
    except (ValueError, OverflowError):
        return False
    return (read.year, read.month, read.day, read.hour, read.minute) == (2026, 11, 30, 22, 45)
