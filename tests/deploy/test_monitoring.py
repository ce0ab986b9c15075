"""Alerts and dashboard: what they ask for exists in ``/metrics`` of a running service.

The expressions are read by a PromQL parser, so that a metric named nowhere but in a comment is not
taken for one that is used, nor one in an expression overlooked.
"""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.e2e.test_service import started, tell
from tests.packaging.project import ROOT
from tests.support.mllp import MllpClient
from tests.support.runtimes import promtool
from tests.support.service import LAB, Service
from tests.wardbridge.support import export

PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "wardbridge.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
ALERTS_TEST = Path(__file__).with_name("alerts_test.yml")
OF_PROMETHEUS = {"up"}  # made by the scrape itself
COLUMNS = 24
SUBSCRIBER = """
[subscribers.portal.webhook]
url = "https://portal.example/notices"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
"""
_VARIABLE = re.compile(r"\[\$__rate_interval\]")


class Use(NamedTuple):
    """A metric in an expression, with the values that it asks of its labels."""

    metric: str
    labels: tuple[tuple[str, str, str], ...]


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """By the title of the alert or the panel."""
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    return {rule["alert"]: rule["expr"] for rule in rules()} | panels


def uses(expression: str) -> set[Use]:
    """What an expression reads."""
    found: set[Use] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            labels = [(each.name, str(each.op), each.value) for each in node.matchers.matchers]
            found.add(Use(node.name or "", tuple(sorted(labels))))
        return True

    promql_parser.walk(promql_parser.parse(_VARIABLE.sub("[1m]", expression)), visit)
    return found


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, str]]]]:
    """Metric name to the labels of its samples, of a service that has met what alerts look for."""
    folder = tmp_path_factory.mktemp("watched")
    service = Service(folder / "data", with_a_subscriber(folder))
    an_export_that_cannot_be_moved(service.data / "inbox")
    started(service)
    tell(service, ("A14", "W1"))
    with MllpClient(service.mllp_port) as client:
        client.ask(b"MSH|^~\\&|A|B|C|D|20260115||ADT^A14|1|P|2.5.1\r")
    yield samples_of(service)
    assert service.stop() == 0


def with_a_subscriber(folder: Path) -> Path:
    config = folder / "lab.toml"
    config.write_text(LAB.read_text("utf-8") + SUBSCRIBER, encoding="utf-8")
    return config


def an_export_that_cannot_be_moved(inbox: Path) -> None:
    """In the place that it would take lies a folder that is not empty."""
    inbox.mkdir(parents=True)
    name = hashlib.sha256(export(inbox).read_bytes()).hexdigest()[:12]
    (inbox / "done" / f"{name}-export.csv" / "in the way").mkdir(parents=True)


@retry(
    stop=stop_after_delay(180), wait=wait_fixed(0.1),
    retry=retry_if_exception_type((AssertionError, KeyError)), reraise=True,
)  # fmt: skip
def samples_of(service: Service) -> dict[str, list[dict[str, str]]]:
    page = httpx.get(f"{service.url}/metrics", timeout=5).text
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    assert any(each.get("figure") == "moves_failed" for each in found["wardbridge_feed"])
    assert found.get("wardbridge_review_oldest_timestamp_seconds")
    assert any(each["outcome"] == "review" for each in found["wardbridge_feed_outcomes_total"])
    heard = {each["feed"] for each in found["wardbridge_feed_last_accepted_timestamp_seconds"]}
    assert heard == {"hl7", "elvis"}
    return found


@pytest.mark.parametrize("name", expressions())
def test_what_an_expression_reads_exists(
    name: str, exposed: dict[str, list[dict[str, str]]]
) -> None:
    read = {use for use in uses(expressions()[name]) if use.metric not in OF_PROMETHEUS}
    assert read or OF_PROMETHEUS & {use.metric for use in uses(expressions()[name])}
    for use in read:
        assert use.metric in exposed
        for label, operator, value in use.labels:
            if label not in {"instance", "job"}:  # given by the scrape
                assert asked(operator, value) <= {each.get(label) for each in exposed[use.metric]}


def asked(operator: str, value: str) -> set[str]:
    assert operator in {"MatchOp.Equal", "MatchOp.Re"}, operator
    return set(value.split("|")) if operator == "MatchOp.Re" else {value}


def test_a_metric_that_does_not_exist_is_found_out() -> None:
    read = uses('rate(wardbridge_nothing{figure="x"}[$__rate_interval]) or up offset 5m')
    assert {use.metric for use in read} == {"wardbridge_nothing", "up"}


def test_every_metric_is_watched(exposed: dict[str, list[dict[str, str]]]) -> None:
    watched = {use.metric for each in expressions().values() for use in uses(each)}
    unwatched = {name for name in exposed if name.startswith("wardbridge_")} - watched
    assert unwatched == set(), (
        "give each a panel in deploy/grafana or an alert in deploy/prometheus"
    )


def test_each_alert_is_tested_both_ways_and_says_what_to_do() -> None:
    tested = [
        (each["alertname"], bool(each["exp_alerts"]))
        for test in yaml.safe_load(ALERTS_TEST.read_text(encoding="utf-8"))["tests"]
        for each in test["alert_rule_test"]
    ]
    named = {rule["alert"] for rule in rules()}
    assert {name for name, fires in tested if fires} == named
    assert named - {name for name, fires in tested if not fires} <= {
        "WardbridgeBlocked", "WardbridgeFeedNeverHeard"
    }  # fmt: skip
    assert [rule["alert"] for rule in rules() if set(rule["annotations"]) < {"summary"}] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "prometheus.yml"],
        ["test", "rules", str(ALERTS_TEST)],
    ],
    ids=["the configuration and the rules", "when each alert fires"],
)
def test_prometheus_own_checker_agrees(arguments: Sequence[str], tmp_path: Path) -> None:
    """In a copy of the folder that has the token, which the checker looks for."""
    for name in ("prometheus.yml", "alerts.yml"):
        text = (PROMETHEUS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/run/secrets/", f"{tmp_path}/"))
    (tmp_path / "prometheus-token").write_text("0123456789abcdef")
    ran = subprocess.run(
        [promtool(), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "SUCCESS" in ran.stdout + ran.stderr


def test_the_dashboard_is_laid_out_without_overlap_and_reads_the_source_that_is_provisioned() -> (
    None
):
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels if panel["type"] == "stat"}) == 6
    places = [panel["gridPos"] for panel in panels]
    assert [each for each in places if each["x"] + each["w"] > COLUMNS] == []
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []
    source = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    )["datasources"][0]
    (variable,) = (v for v in DASHBOARD["templating"]["list"] if v["type"] == "datasource")
    assert variable["query"] == source["type"] == "prometheus"


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )
