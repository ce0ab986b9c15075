"""What ``/health`` and the metrics tell of a subscriber that refuses some wards' notices."""

from __future__ import annotations

from prometheus_client.core import Metric

from bus.memory import MemoryLog
from router.delivery.sender import Sender
from tests.delivery.dispatching import REFUSED, SLOW, TAKEN, Endpoint, dispatching, sender_to, until
from tests.delivery.notices import queued
from wardbridge.http.metrics import subscriber_metrics
from wardbridge.http.subscriber_health import subscriber_health


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


def figures(sender: Sender) -> dict[str, float]:
    """The gauges of a subscriber, by the last words of their names."""
    found: dict[str, float] = {}
    for metric in subscriber_metrics([sender]):
        assert isinstance(metric, Metric)
        if metric.type == "gauge":
            (sample,) = metric.samples
            found[metric.name.removeprefix("wardbridge_subscriber_")] = sample.value
    return found
