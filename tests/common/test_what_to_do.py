"""What is said of a trouble names the cause, by how much, and what to do in the settings that the feed has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.common.stamp import sorts_at
from adapters.common.ward import unresolved
from adapters.elvis.cells import Fault, ward
from adapters.elvis.format import Columns
from schemas.ward import Unresolved, Ward, WardRegister

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SHARED = WardRegister(
    Ward(id=f"{name}-52", name="52", hospital=name, aliases={"elvis": (f"52@{name}",)})
    for name in ("NORR", "SODER")
)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(seconds=301), "5 min ahead"),
        (timedelta(seconds=59), "59 s ahead"),
        (timedelta(hours=1), "1 h 0 min ahead"),
        (timedelta(days=2, minutes=-1), "47 h 59 min ahead"),
        (timedelta(days=2, minutes=5), "2 days ahead"),
    ],
)
def test_a_time_in_the_future_is_told_by_how_much_and_with_what_to_do(
    ahead: timedelta, words: str
) -> None:
    at, (trouble,) = sorts_at(NOW + ahead, NOW, timedelta(seconds=1), "EVN-2")
    assert at == NOW
    assert trouble.reason == "recorded-in-the-future"
    assert trouble.detail.startswith(words)
    assert "clock" in trouble.detail
    assert "`zone`" in trouble.detail


@pytest.mark.parametrize(
    ("facility", "reason"), [("", "ward-ambiguous"), ("OSTRA", "ward-elsewhere")]
)
def test_of_an_export_the_columns_are_named_and_no_profile(facility: str, reason: str) -> None:
    fault = ward("52", facility, "elvis", SHARED)
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert "profile" not in fault.detail
    assert "default_facility" not in fault.detail
    assert "`columns`" in fault.detail
    named = {"facility", "mark_facility", "responsible_facility"}
    assert named <= set(Columns.model_fields)
    if reason == "ward-ambiguous":
        assert all(f"`{name}`" in fault.detail for name in named)


def test_of_messages_the_profile_is_named() -> None:
    assert "`default_facility`" in unresolved(Unresolved.AMBIGUOUS, "PV1-42").detail
    assert "profile" in unresolved(Unresolved.ELSEWHERE, "PV1-42").detail
