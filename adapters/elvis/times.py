"""Times as an export writes them: local, in one of the configured forms.

Rules at the change of clocks: in the hour that autumn repeats a time means its first pass
(summer time) unless it carries an offset; a time in the hour that spring skips is unreadable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class TimeReader:
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
        as_written = self._parsed(text)
        if as_written is None or as_written.tzinfo is not None:
            return as_written and as_written.astimezone(UTC)
        local = as_written.replace(tzinfo=self._zone, fold=fold)
        moment = local.astimezone(UTC)
        exists = moment.astimezone(self._zone).replace(tzinfo=None) == as_written
        return moment if exists else None

    def _parsed(self, text: str) -> datetime | None:
        for form in self._forms:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows
            except ValueError:
                continue
        return None
