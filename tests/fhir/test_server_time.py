"""What time a server says that it is: of its search, else of its answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.fhir.element import resource
from adapters.fhir.server_time import MAX_AGE, time_of_search

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def told(made_at: object, answered_at: str | None) -> datetime | None:
    bundle: dict[str, object] = {"resourceType": "Bundle", "meta": {"lastUpdated": made_at}}
    return time_of_search(resource(bundle), {"Date": answered_at} if answered_at else {})


@pytest.mark.parametrize(
    ("before", "is_believed"),
    [
        (timedelta(0), True),
        (timedelta(minutes=1), True),
        (MAX_AGE, True),
        (MAX_AGE + timedelta(seconds=1), False),  # when something else was last updated
        (timedelta(days=4_000), False),
        (timedelta(seconds=-1), False),
        (timedelta(days=-100), False),
    ],
    ids=str,
)
def test_a_search_is_made_a_little_before_it_is_answered(
    before: timedelta,
    is_believed: bool,  # noqa: FBT001 - a table's column
) -> None:
    made_at = NOW - before
    expected = made_at if is_believed else NOW
    assert told(made_at.isoformat(), format_datetime(NOW, usegmt=True)) == expected
    assert told(made_at.isoformat(), None) == made_at


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "2026",
        "2026-01-15",
        "2026-01-15T12:00:00",
        "soon",
        7,
        ["x"],
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_bundle_that_does_not_say_is_passed_over(text: object) -> None:
    assert told(text, None) is None
    assert told(text, format_datetime(NOW, usegmt=True)) == NOW


@pytest.mark.parametrize(
    "date", ["", "soon", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Jan 2026 12:00:00 GMT"]
)
def test_a_date_that_is_none_is_passed_over(date: str) -> None:
    assert told(None, date) is None
