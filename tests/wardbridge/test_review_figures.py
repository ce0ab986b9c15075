"""What waits for a person, in health and metrics: by feed and reason, with its age."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from tests.reviewing.saying import AT, after, item, record, step
from tests.wardbridge.test_http import surface, until

MARK = item("a", 5, mark_unread=True)
OTHER = item("b", 3, reason="time-unreadable")


def test_health_and_metrics_tell_what_waits_and_since_when() -> None:
    async def play() -> None:
        async with surface(record(MARK), record(OTHER)) as running:
            await until(lambda: running.review.is_whole)
            found = (await running.get("/health"))["review"]
            assert moment(found.pop("oldest_at")) == after(3)
            assert [each.pop("oldest_at") for each in found["by"]]
            assert found == {
                "open": 2, "mark_unread": 1, "beyond": 0,
                "by": [
                    {"feed": "hl7", "reason": "time-unreadable", "open": 1, "mark_unread": 0},
                    {"feed": "hl7", "reason": "ward-unknown", "open": 1, "mark_unread": 1},
                ],
            }  # fmt: skip
            page = (await running.client.get("/metrics")).text
            assert 'wardbridge_review_open{feed="hl7",reason="ward-unknown"} 1.0' in page
            assert 'wardbridge_review_mark_unread{feed="hl7",reason="ward-unknown"} 1.0' in page
            oldest = f"{AT.timestamp() + 5}"
            name = "wardbridge_review_oldest_timestamp_seconds"
            line = next(each for each in page.splitlines() if each.startswith(f"{name}{{"))
            assert name in page
            assert float(line.split()[1]) in {float(oldest), AT.timestamp() + 3}

    asyncio.run(play())


def test_what_has_ended_stays_in_the_metrics_as_none_and_leaves_health() -> None:
    async def play() -> None:
        async with surface(record(MARK)) as running:
            await until(lambda: running.review.is_whole)
            running.log.append([record(step("a", "resolved", 9))])
            await until(lambda: not running.review.index.items(lambda _: True, None, 1))
            assert await health(running) == {
                "open": 0, "mark_unread": 0, "oldest_at": None, "by": [], "beyond": 0,
            }  # fmt: skip
            page = (await running.client.get("/metrics")).text
            assert 'wardbridge_review_mark_unread{feed="hl7",reason="ward-unknown"} 0.0' in page
            assert "wardbridge_review_oldest_timestamp_seconds{" not in page

    asyncio.run(play())


def test_before_it_has_been_read_nothing_is_told() -> None:
    async def play() -> None:
        async with surface(record(MARK), is_read=False) as running:
            assert (await running.get("/health"))["review"] is None
            assert "wardbridge_review_" not in (await running.client.get("/metrics")).text

    asyncio.run(play())


async def health(running: Any) -> Any:
    return (await running.get("/health"))["review"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
