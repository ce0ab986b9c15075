"""What ``/health`` and the metrics tell of a subscriber that refuses some wards' notices."""

from __future__ import annotations

import asyncio
import sys
import threading

from prometheus_client.core import Metric

from bus.memory import MemoryLog
from router.delivery.sender import Sender
from tests.delivery.dispatching import REFUSED, SLOW, TAKEN, Endpoint, dispatching, sender_to, until
from tests.delivery.notices import queued
from wardbridge.api.metrics import subscriber_metrics
from wardbridge.api.subscriber_health import subscriber_health
from wardbridge.api.waiting import waiting_in


async def test_wards_whose_oldest_notice_is_refused_are_named_and_counted_until_it_is_taken() -> (
    None
):
    log = MemoryLog()
    refused = {1, 2}
    endpoint = Endpoint(lambda out: REFUSED if out.sequence in refused else TAKEN)
    log.append([queued("portal", ward, n) for n, ward in enumerate("ABCAB", start=1)])
    sender = sender_to(endpoint, "portal", terms=SLOW)
    async with dispatching(log, sender):
        await until(lambda: (len(sender.standing().refused), sender.standing().waiting) == (2, 4))
        health = subscriber_health(sender)
        assert [(each.ward, each.sequence, each.answer) for each in health.stuck] == [
            ("A", 1, "answered 500"), ("B", 2, "answered 500"),
        ]  # fmt: skip
        assert [(each.waiting, each.attempts, each.state) for each in health.stuck] == [
            (2, 1, "waiting"), (2, 1, "waiting"),
        ]  # fmt: skip
        assert all(each.next_attempt_at is not None for each in health.stuck)
        assert (health.waiting, health.trouble) == (4, "2 wards wait: answered 500")
        assert health.waiting_since == min(each.waiting_since for each in health.stuck)
        assert figures(sender) == {"stuck_wards": 2, "waiting_notices": 4, "taking": 0}
        refused.clear()
        for number in (1, 2):
            sender.skip(number, "it cannot be mended")
        await until(lambda: sender.standing().waiting == 0)
        assert subscriber_health(sender).stuck == ()
        assert subscriber_health(sender).trouble is None
        assert figures(sender) == {"stuck_wards": 0, "waiting_notices": 0, "taking": 1}


async def test_the_log_tells_what_is_open_while_nobody_sends() -> None:
    log = MemoryLog()
    endpoint = Endpoint(lambda out: REFUSED if out.notice.subject == "A" else TAKEN)
    log.append([queued("portal", ward, n) for n, ward in enumerate("BABABA", start=1)])
    async with dispatching(log, sender_to(endpoint, "portal", terms=SLOW)):
        await until(lambda: len(endpoint.taken) == 3 and len(endpoint.sent) == 4)
    log.append([queued("portal", "B", 7)])
    found = waiting_in(log, "portal")
    assert [(each.ward, each.sequence, each.waiting) for each in found.wards] == [("A", 2, 3)]
    assert (found.waiting, found.trouble) == (3, None)
    log.append([queued("portal", "A", 2, sequence=2)])  # it is sent again: the number is the same
    assert [each.sequence for each in waiting_in(log, "portal").wards] == [2]
    assert waiting_in(log, "nobody").wards == ()


async def test_whoever_asks_from_another_thread_gets_an_answer() -> None:
    log, endpoint = MemoryLog(), Endpoint()
    sender = sender_to(endpoint, "portal")
    stopping = threading.Event()

    def look() -> int:
        looks = 0
        while not stopping.wait(0.0002):
            subscriber_health(sender)
            looks += 1
        return looks

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        async with dispatching(log, sender):
            looking = asyncio.create_task(asyncio.to_thread(look))
            for start in range(1, 401, 40):
                log.append([queued("portal", f"W{n}", n) for n in range(start, start + 40)])
                await until(lambda: len(endpoint.taken) >= start + 39)  # noqa: B023 - awaited here
            stopping.set()
            assert await looking > 0
    finally:
        stopping.set()
        sys.setswitchinterval(interval)


def figures(sender: Sender) -> dict[str, float]:
    """The gauges of a subscriber, by the last words of their names."""
    found: dict[str, float] = {}
    for metric in subscriber_metrics([sender]):
        assert isinstance(metric, Metric)
        if metric.type == "gauge":
            (sample,) = metric.samples
            found[metric.name.removeprefix("wardbridge_subscriber_")] = sample.value
    return found
