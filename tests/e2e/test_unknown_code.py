"""The page on unknown codes, done as it is written: real service, real sockets, real commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import yaml

from bus.records import records_of
from schemas import topics
from tests.deploy.test_monitoring import PROMETHEUS
from tests.e2e.test_readings import told
from tests.e2e.test_service import started
from tests.packaging.project import ROOT
from tests.support.labs import lab_on_kafka, lab_on_sqlite, log_of
from tests.support.mllp import MllpClient
from tests.support.page import Shell, Step, fits, steps_of
from tests.support.registered import with_register
from tests.support.runtimes import promtool
from tests.support.service import Service

PAGE: Final = (ROOT / "docs" / "unknown-code.md").read_text(encoding="utf-8")
ENGINES: Final[dict[str, Callable[[Path], Service]]] = {
    "sqlite": lab_on_sqlite, "kafka": lab_on_kafka,
}  # fmt: skip
RESTART: Final = "sudo systemctl restart wardbridge.service"
WHERE: Final = "--config /etc/wardbridge/wardbridge.toml --data /var/lib/wardbridge"
SAID_AT: Final = "20260120081500+0100"
CHANGES: Final = ("tee", "replay", "discard")


class Reader:
    """Does what the page says, in one shell that stays open."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self._shell = Shell(service.environment, folder)

    def close(self) -> None:
        self._shell.close()

    def does(self, step: Step) -> None:
        """Do it, and see what the page says that one sees."""
        if step.kind == "hl7":
            assert fits(step.answer, self._sent(step.asked))
        elif step.asked == RESTART:
            assert self.service.stop() == 0
            started(self.service)
        elif any(word in step.asked for word in CHANGES):
            self._shell.does(self._here(step.asked), step.answer)
        else:
            self._shell.shows(self._here(step.asked), step.answer)

    def _sent(self, text: str) -> str:
        at = datetime.now(UTC) - timedelta(hours=1)
        message = text.replace(SAID_AT, f"{at:%Y%m%d%H%M%S}+0000").replace("\n", "\r")
        with MllpClient(self.service.mllp_port) as client:
            return client.ask(message.encode()).decode().replace("\r", "\n")

    def _here(self, command: str) -> str:
        service = self.service
        where = f"--config {service.config} --data {service.data} --port-offset {service.offset}"
        command = command.replace(WHERE, where).replace("/var/lib/wardbridge", str(service.data))
        return command.replace("http://127.0.0.1:8080", service.url)


@pytest.fixture(params=ENGINES)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    service = with_register(ENGINES[request.param](tmp_path), AKM="AKM")
    made = Reader(started(service), tmp_path)
    yield made
    made.close()
    if service.process is not None and service.process.poll() is None:
        service.kill()


def test_the_page_can_be_done_as_it_is_written(reader: Reader) -> None:
    for step in steps_of(PAGE):
        reader.does(step)
    assert reader.service.stop() == 0
    assert told(reader.service) == ["KIR designated marked"], "once"
    with log_of(reader.service) as log:
        assert sum(1 for _ in records_of(log, topics.RAW)) == 2


def test_the_alert_of_the_page_fires_at_what_the_page_shows_and_ends(tmp_path: Path) -> None:
    shown = [
        step.answer.strip()
        for step in steps_of(PAGE)
        if step.asked.endswith("grep ^wardbridge_review_mark_unread")
    ]
    series = [line.rpartition(" ") for line in shown]
    assert [float(value) for _, _, value in series] == [1, 0]
    (name,) = {name for name, _, _ in series}
    alert = {"eval_time": "15s", "alertname": "WardbridgeMarkUnread", "exp_alerts": [fired()]}
    ended = {"eval_time": "30s", "alertname": "WardbridgeMarkUnread", "exp_alerts": []}
    test = {
        "rule_files": [str(PROMETHEUS / "alerts.yml")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": name, "values": "0 1 0"}],
                "alert_rule_test": [alert, ended],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    ran = subprocess.run(
        [promtool(), "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def fired() -> dict[str, dict[str, str]]:
    """The alert with its texts, as the rules have them."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    (rule,) = (
        rule for group in groups for rule in group["rules"]
        if rule["alert"] == "WardbridgeMarkUnread"
    )  # fmt: skip
    labels = {"feed": "hl7", "reason": "ward-unknown"}
    texts = rule["annotations"]
    summary = texts["summary"].replace("{{ $value }}", "1")
    for label, value in labels.items():
        summary = summary.replace(f"{{{{ $labels.{label} }}}}", value)
    return {"exp_labels": labels | rule["labels"], "exp_annotations": texts | {"summary": summary}}
