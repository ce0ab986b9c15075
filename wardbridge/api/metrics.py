"""Prometheus metrics, collected from the running parts at each scrape.

Labels are configured names only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from router.delivery.sender import Sender
from wardbridge.api.view import View

READY: Final = "wardbridge_component_ready"
REGISTER_READ: Final = "wardbridge_register_read"
FEED: Final = "wardbridge_feed"
FEED_OUTCOMES: Final = "wardbridge_feed_outcomes"
FEED_WELL: Final = "wardbridge_feed_well"
FEED_LAST_SEEN: Final = "wardbridge_feed_last_seen_timestamp_seconds"
FEED_LAST_ACCEPTED: Final = "wardbridge_feed_last_accepted_timestamp_seconds"
REVIEW_OPEN: Final = "wardbridge_review_open"
REVIEW_MARK_UNREAD: Final = "wardbridge_review_mark_unread"
REVIEW_OLDEST: Final = "wardbridge_review_oldest_timestamp_seconds"
REVIEW_BEYOND: Final = "wardbridge_review_beyond"
ROUTER_RECORDS: Final = "wardbridge_router_records"
ROUTER_COMMITS: Final = "wardbridge_router_commits"
ROUTER_FAILURES: Final = "wardbridge_router_failures"
ROUTER_STALLED: Final = "wardbridge_router_stalled_partitions"
ROUTER_LAG: Final = "wardbridge_router_lag_records"
SUBSCRIBER: Final = "wardbridge_subscriber"
SUBSCRIBER_OK: Final = "wardbridge_subscriber_taking"
SUBSCRIBER_WAITING: Final = "wardbridge_subscriber_waiting_notices"
SUBSCRIBER_STUCK: Final = "wardbridge_subscriber_stuck_wards"
LISTENERS: Final = "wardbridge_stream_listeners"
CUT_OFF: Final = "wardbridge_stream_listeners_cut_off"
OPEN: Final = "wardbridge_open_designations"
UNREADABLE: Final = "wardbridge_records_unreadable"
AUDIT_FAILURES: Final = "wardbridge_audit_failures"
REFUSED: Final = "wardbridge_http_refused"
CONNECTIONS: Final = "wardbridge_http_connections"
ENDED: Final = "wardbridge_http_connections_ended"
ENDED_BY: Final = "connections_"


class ViewCollector(Collector):
    """Turns the view into metrics."""

    def __init__(
        self,
        view: View,
        refused: Mapping[str, int],
        audit_failures: Callable[[], int],
        connections: Callable[[], Mapping[str, int]],
    ) -> None:
        self._connections = connections
        self._view = view
        self._audit_failures = audit_failures
        self._refused = refused

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        yield from self._components()
        yield GaugeMetricFamily(
            REGISTER_READ, "0: the ward register is damaged, and that of the last good start is used",
            self._view.register_trouble is None,
        )  # fmt: skip
        yield from self._feeds()
        yield from self._review()
        yield from self._router()
        yield from subscriber_metrics(self._view.senders.values())
        yield from self._streams()
        yield self._refusals()
        yield from self._of_connections()
        yield CounterMetricFamily(
            AUDIT_FAILURES, "readings of minimal fields that could not be noted",
            self._audit_failures(),
        )  # fmt: skip

    def _components(self) -> Iterable[Metric]:
        ready = GaugeMetricFamily(READY, "1: does its work; 0: blocked", labels=["component"])
        blocking = self._view.blocking()
        for part in self._view.components():
            ready.add_metric([part.name], part.name not in blocking)
        return [ready]

    def _feeds(self) -> Iterable[Metric]:
        figures = GaugeMetricFamily(
            FEED, "a feed's figures: counts since the start, or how much waits",
            labels=["feed", "figure"],
        )  # fmt: skip
        seen = GaugeMetricFamily(FEED_LAST_SEEN, "when a feed last had an input", labels=["feed"])
        taken = GaugeMetricFamily(
            FEED_LAST_ACCEPTED, "when a feed last accepted an input", labels=["feed"]
        )
        outcomes = CounterMetricFamily(
            FEED_OUTCOMES, "what became of inputs", labels=["feed", "outcome", "reason"]
        )
        well = GaugeMetricFamily(FEED_WELL, "0: something that a feed asks fails", labels=["feed"])
        for feed in self._view.feeds:
            status = feed.status()
            well.add_metric([feed.feed_name], status.trouble is None)
            for (outcome, reason), count in status.outcomes.items():
                outcomes.add_metric([feed.feed_name, outcome, reason], count)
            for figure, value in status.figures.items():
                figures.add_metric([feed.feed_name, figure], value)
            if status.last_seen:
                seen.add_metric([feed.feed_name], status.last_seen.timestamp())
            if status.last_accepted_at:
                taken.add_metric([feed.feed_name], status.last_accepted_at.timestamp())
        return [figures, outcomes, seen, taken, well]

    def _review(self) -> Iterable[Metric]:
        """What waits for a person; absent until it has been read."""
        labels = ["feed", "reason"]
        open_now = GaugeMetricFamily(REVIEW_OPEN, "items that wait for a person", labels=labels)
        marks = GaugeMetricFamily(
            REVIEW_MARK_UNREAD, "those in which a mark, or what may be one, told nobody",
            labels=labels,
        )  # fmt: skip
        oldest = GaugeMetricFamily(
            REVIEW_OLDEST, "when the oldest of them was received", labels=labels
        )
        beyond = GaugeMetricFamily(REVIEW_BEYOND, "how many more there are than are counted")
        if not self._view.review.is_whole:
            return
        index = self._view.review.index
        for each in index.waiting():
            names = [each.feed, each.reason]
            open_now.add_metric(names, each.open)
            marks.add_metric(names, each.mark_unread)
            if each.oldest_at is not None:
                oldest.add_metric(names, each.oldest_at.timestamp())
        beyond.add_metric([], index.beyond)
        yield from (open_now, marks, oldest, beyond)

    def _router(self) -> Iterable[Metric]:
        figures, lag = self._view.router.figures(), self._view.lag()
        yield CounterMetricFamily(ROUTER_RECORDS, "records decided", figures.records)
        yield CounterMetricFamily(ROUTER_COMMITS, "commits", figures.commits)
        yield CounterMetricFamily(
            ROUTER_FAILURES, "records at which the step failed", figures.failures
        )
        yield GaugeMetricFamily(
            ROUTER_STALLED, "partitions in which it stands still although records wait",
            len(self._view.progress.stalled()),
        )  # fmt: skip
        if lag is not None:  # nothing is told while the log cannot be asked
            yield GaugeMetricFamily(ROUTER_LAG, "records that wait to be decided", lag)

    def _streams(self) -> Iterable[Metric]:
        hub = self._view.hub
        return [
            GaugeMetricFamily(LISTENERS, "open streams", hub.listeners()),
            CounterMetricFamily(CUT_OFF, "streams ended for not keeping up", hub.cut_off),
            GaugeMetricFamily(OPEN, "patients on the way to a ward", hub.board.open_designations()),
            CounterMetricFamily(
                UNREADABLE,
                "records of the log that lists and streams passed over",
                hub.readable.passed_over,
            ),
        ]

    def _of_connections(self) -> Iterable[Metric]:
        counts = self._connections()
        ended = CounterMetricFamily(
            ENDED, "connections refused or ended by us, by why", labels=["why"]
        )
        for name, count in counts.items():
            if name.startswith(ENDED_BY):
                ended.add_metric([name.removeprefix(ENDED_BY)], count)
        return [
            GaugeMetricFamily(CONNECTIONS, "open connections", counts.get("connections", 0)),
            ended,
        ]

    def _refusals(self) -> Metric:
        refused = CounterMetricFamily(
            REFUSED, "requests of those who are not known (401) or may not (403)", labels=["status"]
        )
        for status in ("401", "403"):
            refused.add_metric([status], self._refused.get(status, 0))
        return refused


def subscriber_metrics(senders: Iterable[Sender]) -> Iterable[Metric]:
    """Those of subscribers."""
    counts = CounterMetricFamily(
        SUBSCRIBER, "what became of notices and attempts", labels=["subscriber", "figure"]
    )
    taking = GaugeMetricFamily(
        SUBSCRIBER_OK, "1: takes what it is sent; 0: does not", labels=["subscriber"]
    )
    waiting = GaugeMetricFamily(
        SUBSCRIBER_WAITING, "notices that have not ended", labels=["subscriber"]
    )
    stuck = GaugeMetricFamily(
        SUBSCRIBER_STUCK, "wards whose oldest notice was refused and is tried again",
        labels=["subscriber"],
    )  # fmt: skip
    for sender in senders:
        figures, standing = sender.figures, sender.standing()
        counts.add_metric([sender.name, "delivered"], figures.delivered)
        counts.add_metric([sender.name, "parked"], figures.parked)
        counts.add_metric([sender.name, "skipped"], figures.skipped)
        counts.add_metric([sender.name, "lost"], figures.lost)
        counts.add_metric([sender.name, "refused_attempts"], figures.refused_attempts)
        counts.add_metric([sender.name, "incomplete"], figures.incomplete)
        taking.add_metric([sender.name], standing.trouble is None)
        waiting.add_metric([sender.name], standing.waiting)
        stuck.add_metric([sender.name], len(standing.refused))
    return [counts, taking, waiting, stuck]
