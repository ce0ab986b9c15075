"""HL7 times: precision, offset, zone, and the two strange hours of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.times import TimeReader

READER = TimeReader("Europe/Stockholm", timedelta(minutes=5))
RECEIVED_AT = datetime(2026, 12, 1, tzinfo=UTC)


def _read(text: str, received_at: datetime = RECEIVED_AT) -> tuple[str, str] | None:
    moment = READER.read(text, "EVN-2", received_at)
    return moment and (moment.at.isoformat(), moment.rule)


@pytest.mark.parametrize(
    ("text", "at", "rule"),
    [
        ("20260115", "2026-01-14T23:00:00+00:00", "EVN-2 in Europe/Stockholm"),
        ("2026011512", "2026-01-15T11:00:00+00:00", "EVN-2 in Europe/Stockholm"),
        ("202601151230", "2026-01-15T11:30:00+00:00", "EVN-2 in Europe/Stockholm"),
        ("20260715123015", "2026-07-15T10:30:15+00:00", "EVN-2 in Europe/Stockholm"),
        ("20260715123015.5", "2026-07-15T10:30:15.500000+00:00", "EVN-2 in Europe/Stockholm"),
        ("20260715123015.1234567", "2026-07-15T10:30:15.123456+00:00", "EVN-2 in Europe/Stockholm"),
        ("20260715123015+0530", "2026-07-15T07:00:15+00:00", "EVN-2 with offset"),
        ("202607151230-0100", "2026-07-15T13:30:00+00:00", "EVN-2 with offset"),
        ("20260715123015+0000", "2026-07-15T12:30:15+00:00", "EVN-2 with offset"),
        (
            "20260329023000",
            "2026-03-29T01:30:00+00:00",
            "EVN-2 in Europe/Stockholm, hour skipped in spring",
        ),
        (
            "20261025023000",
            "2026-10-25T01:30:00+00:00",
            "EVN-2 in Europe/Stockholm, second pass of the repeated hour",
        ),
        ("20261025023000+0200", "2026-10-25T00:30:00+00:00", "EVN-2 with offset"),
    ],
)
def test_times(text: str, at: str, rule: str) -> None:
    assert _read(text) == (at, rule)


@pytest.mark.parametrize(
    ("live", "hour", "rule"),
    [
        (datetime(2026, 10, 25, 0, 31, tzinfo=UTC), 0, "first"),
        (datetime(2026, 10, 25, 1, 31, tzinfo=UTC), 1, "second"),
        (datetime(2026, 10, 25, 1, 26, tzinfo=UTC), 1, "second"),
        (datetime(2026, 10, 25, 1, 24, tzinfo=UTC), 0, "first"),
    ],
    ids=["the first runs", "the second runs", "its clock is a little ahead", "beyond the skew"],
)
def test_a_live_feed_speaks_of_the_pass_that_runs(live: datetime, hour: int, rule: str) -> None:
    read = _read("20261025023000", live)
    expected = f"EVN-2 in Europe/Stockholm, {rule} pass of the repeated hour"
    assert read == (f"2026-10-25T0{hour}:30:00+00:00", expected)


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "202601", "20261301", "20260230", "2026011525", "202601151260", "yesterday",
        "20260115123015+9900", "20260115123015+0160", "2026-01-15", "00010101+0100", "٢٠٢٦٠١١٥",
        "20260115123060", "99991231235959-1400", "000101010000",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert _read(text) is None


@given(st.text(alphabet="0123456789.+-", max_size=26))
def test_reading_never_raises(text: str) -> None:
    moment = READER.read(text, "EVN-2", RECEIVED_AT)
    assert moment is None or moment.at.tzinfo is UTC
