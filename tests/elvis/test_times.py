"""Local times, and the two hours a year that are not like the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.elvis.format import ExportFormat
from adapters.elvis.times import ExportTimeReader

FORM = ExportFormat()


def _reader() -> ExportTimeReader:
    return ExportTimeReader(FORM.time_forms, FORM.zone)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-15 12:00", datetime(2026, 1, 15, 11, tzinfo=UTC)),
        ("2026-07-15 12:00:30", datetime(2026, 7, 15, 10, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00+0100", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29 02:30", None),
        ("2026-13-01 10:00", None),
        ("15/1 2026", None),
        ("", None),
    ],
)
def test_times(text: str, moment: datetime | None) -> None:
    reader = _reader()
    assert reader.read(text) == moment
    assert reader.read(text) == moment


def test_the_second_pass_differs_only_in_the_hour_that_autumn_repeats() -> None:
    reader = _reader()
    assert reader.read_second_pass("2026-10-25 02:30") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert reader.read_second_pass("2026-10-25 03:30") == reader.read("2026-10-25 03:30")
