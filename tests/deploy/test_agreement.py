"""``/health``, the metrics and the alerts of an installation in trouble say the same.

Both are asked until nothing happened in between; the alerts are evaluated by Prometheus' own tool on
the metrics as they were.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from adapters.common.figures import MANY_IN_A_ROW
from tests.deploy.test_monitoring import PROMETHEUS
from tests.deploy.trouble import in_trouble
from tests.support.access import bearer
from tests.support.runtimes import promtool
from tests.support.service import Service

Labels = frozenset[tuple[str, str]]
FIRING: Final = (
    'count by (alertname, feed, reason, subscriber) (ALERTS{{alertstate="firing", alertname="{}"}})'
)
LASTS: Final = "0x19"  # as it is now, for twenty minutes: longer than any of these alerts waits


class Seen(NamedTuple):
    """One moment."""

    health: dict[str, Any]
    metrics: Mapping[str, Mapping[Labels, float]]

    def by(self, metric: str) -> dict[tuple[str, ...], float]:
        """The values of a metric, by the values of its labels in the order of their names."""
        found = self.metrics[f"wardbridge_{metric}"].items()
        return {
            tuple(value for _, value in sorted(labels)): value_now for labels, value_now in found
        }


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with in_trouble(tmp_path_factory.mktemp("agreement")) as service:
        yield at_rest(service)


@retry(
    stop=stop_after_delay(180), wait=wait_fixed(0.2),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip
def at_rest(service: Service) -> Seen:
    before, page, after = (asked(service, path) for path in ("/health", "/metrics", "/health"))
    assert before.json() == after.json()
    metrics: dict[str, dict[Labels, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            metrics[sample.name][frozenset(sample.labels.items())] = sample.value
    return Seen(after.json(), metrics)


def asked(service: Service, path: str) -> httpx.Response:
    answer = httpx.get(f"{service.url}{path}", headers=bearer("operator"), timeout=20)
    return answer.raise_for_status()


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# -- health and metrics ----------------------------------------------------------------------------------


def test_what_waits_is_the_same_by_feed_and_reason_and_as_old(seen: Seen) -> None:
    review = seen.health["review"]
    by = {(each["feed"], each["reason"]): each for each in review["by"]}
    assert by.keys() >= {("hl7", "ward-unknown"), ("hl7", "visit-missing")}
    assert "elvis" in {feed for feed, _ in by}, "a refused export"
    assert seen.by("review_open") == {key: each["open"] for key, each in by.items()}
    assert seen.by("review_mark_unread") == {key: each["mark_unread"] for key, each in by.items()}
    oldest = {key: seconds(each["oldest_at"]) for key, each in by.items()}
    assert seen.by("review_oldest_timestamp_seconds") == oldest
    assert seconds(review["oldest_at"]) == min(seen.by("review_oldest_timestamp_seconds").values())
    assert review["open"] == sum(seen.by("review_open").values())
    assert review["mark_unread"] == sum(seen.by("review_mark_unread").values()) > 0
    assert review["beyond"] == seen.by("review_beyond")[()]


def test_a_feed_is_the_same_in_both(seen: Seen) -> None:
    feeds = {each["name"]: each for each in seen.health["feeds"]}
    assert feeds["hl7"]["last_accepted_at"] < feeds["hl7"]["last_seen"]
    assert feeds["elvis"]["last_accepted_at"] is None
    assert feeds["elvis"]["figures"]["files_refused"] == 1
    assert [name for name, each in feeds.items() if each["trouble"]] == ["elvis", "hl7"]
    for metric, member in (("seen", "last_seen"), ("accepted", "last_accepted_at")):
        told = {(name,): seconds(each[member]) for name, each in feeds.items() if each[member]}
        assert seen.by(f"feed_last_{metric}_timestamp_seconds") == told
    well = {(name,): each["trouble"] is None for name, each in feeds.items()}
    assert seen.by("feed_well") == well
    figures = {
        (name, figure): value
        for name, each in feeds.items()
        for figure, value in each["figures"].items()
    }
    assert seen.by("feed") == figures


def test_a_subscriber_is_the_same_in_both(seen: Seen) -> None:
    subscribers = {(each["name"],): each for each in seen.health["subscribers"]}
    assert all(each["stuck"] for each in subscribers.values())
    for metric, value in (
        ("waiting_notices", lambda each: each["waiting"]),
        ("stuck_wards", lambda each: len(each["stuck"])),
        ("taking", lambda each: each["trouble"] is None),
    ):
        told = {name: value(each) for name, each in subscribers.items()}
        assert seen.by(f"subscriber_{metric}") == told


# -- and alerts ------------------------------------------------------------------------------------------


def feeds_that(is_so: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], Any]:
    return lambda health: [{"feed": each["name"]} for each in health["feeds"] if is_so(each)]


FIRE: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "WardbridgeMarkUnread": lambda health: [
        {"feed": each["feed"], "reason": each["reason"]}
        for each in health["review"]["by"] if each["mark_unread"]
    ],
    "WardbridgeNothingAccepted": feeds_that(
        lambda feed: feed["figures"]["in_review_in_a_row"] >= MANY_IN_A_ROW
    ),
    "WardbridgeFeedNotServed": feeds_that(lambda feed: feed["trouble"] is not None),
    "WardbridgeSubscriberTakesNothing": lambda health: [
        {"subscriber": each["name"]} for each in health["subscribers"] if each["trouble"]
    ],
    "WardbridgeSubscriberWardsStuck": lambda health: [
        {"subscriber": each["name"]} for each in health["subscribers"] if each["stuck"]
    ],
    "WardbridgeReviewBeyond": lambda health: [{}] if health["review"]["beyond"] else [],
}  # fmt: skip
"""For whom health says that something is wrong, by the alert that tells of it."""


def test_an_alert_fires_for_exactly_those_of_whom_health_tells(seen: Seen, tmp_path: Path) -> None:
    expected = {alert: told(seen.health) for alert, told in FIRE.items()}
    assert [alert for alert, of in expected.items() if not of] == ["WardbridgeReviewBeyond"]
    questions = [
        {
            "expr": FIRING.format(alert),
            "eval_time": "19m",
            "exp_samples": [
                {"labels": series("", {"alertname": alert} | labels), "value": 1} for labels in of
            ],
        }
        for alert, of in expected.items()
    ]
    ran = evaluated(seen, tmp_path / "test.yml", {"promql_expr_test": questions})
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_alert_of_a_mark_fires_at_the_first_look(seen: Seen, tmp_path: Path) -> None:
    counted = f"count({FIRING.format('WardbridgeMarkUnread')})"
    marks = sum(each["mark_unread"] > 0 for each in seen.health["review"]["by"])
    question = {
        "expr": counted,
        "eval_time": "0m",
        "exp_samples": [{"labels": "{}", "value": marks}],
    }
    ran = evaluated(seen, tmp_path / "test.yml", {"promql_expr_test": [question]})
    assert ran.returncode == 0, ran.stdout + ran.stderr


def series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{', '.join(f'{key}={value!r}' for key, value in labels.items())}}}".replace(
        "'", '"'
    )


def evaluated(
    seen: Seen, path: Path, questions: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    given = [
        {"series": series(name, dict(labels) | {"instance": "a"}), "values": f"{value!r}+{LASTS}"}
        for name, samples in seen.metrics.items()
        for labels, value in samples.items()
        if name.startswith("wardbridge_")
    ]
    test = {
        "rule_files": [str(PROMETHEUS / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, **questions}],
    }
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    return subprocess.run(
        [promtool(), "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
