"""HL7 times: precision, offset, zone, and the two strange hours of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.times import Hl7TimeReader
from tests.hl7v2.lab import message, observed

READER = Hl7TimeReader("Europe/Stockholm", timedelta(minutes=5))
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


@pytest.mark.parametrize(
    ("sent", "text", "at", "rule"),
    [
        ("20260302091500+0000", "20260302130000", "13:00", "EVN-2 with the offset of MSH-7"),
        ("20260302091500-0130", "20260302130000", "14:30", "EVN-2 with the offset of MSH-7"),
        ("202603020915+0200", "202603021300", "11:00", "EVN-2 with the offset of MSH-7"),
        ("20260302091500+0000", "20260302130000+0100", "12:00", "EVN-2 with offset"),
        ("20260302091500", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
        ("", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
        ("+0000", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
        ("yesterday+0000", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
        ("20260302091500+2600", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
        ("9" * 900_000 + "+0000", "20260302130000", "12:00", "EVN-2 in Europe/Stockholm"),
    ],
)
def test_the_offset_of_msh_7_holds_for_times_without_one(
    sent: str, text: str, at: str, rule: str
) -> None:
    moment = READER.of_message(sent).read(text, "EVN-2", RECEIVED_AT)
    assert moment is not None
    assert (moment.at.strftime("%H:%M"), moment.rule) == (at, rule)


def test_a_default_offset_knows_no_strange_hours() -> None:
    for text in ("20260329023000", "20261025023000"):
        moment = READER.of_message("20260302+0100").read(text, "EVN-2", RECEIVED_AT)
        assert moment is not None
        assert moment.rule == "EVN-2 with the offset of MSH-7"
    assert READER.of_message("20260302+0100").read("00010101", "EVN-2", RECEIVED_AT) is None


def test_every_time_of_a_message_takes_the_offset_and_says_so() -> None:
    told = {
        2: "20260115091500", 3: "20260115140000", 6: "20260115090000",
    }  # fmt: skip
    payload = message("A14", {42: "W1"}, msh={7: "20260115091600+0000"}, evn=told)
    seen = observed(payload)
    assert seen.recorded_at == datetime(2026, 1, 15, 9, 15, tzinfo=UTC)
    assert seen.recorded_rule == "EVN-2 with the offset of MSH-7"
    assert seen.claims.expected_at == datetime(2026, 1, 15, 14, tzinfo=UTC)
    assert seen.occurred_at == datetime(2026, 1, 15, 9, tzinfo=UTC)
    assert seen.occurred_rule == "EVN-6 with the offset of MSH-7"
    by_zone = observed(payload, Hl7Profile(offset_of_msh_7=False))
    assert by_zone.recorded_at == datetime(2026, 1, 15, 8, 15, tzinfo=UTC)
    assert by_zone.recorded_rule == "EVN-2 in Europe/Stockholm"


def test_a_record_without_evn_2_is_read_with_the_offset_of_its_own_msh_7() -> None:
    payload = message("A14", {42: "W1"}, msh={7: "20260115091600+0000"}, evn={2: ""})
    seen = observed(payload)
    assert (seen.recorded_at.hour, seen.recorded_rule) == (9, "MSH-7 with offset")
