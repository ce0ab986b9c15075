"""The service as a process: a message in over MLLP, a ward told, a stop, a restart."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.packaging.project import ROOT
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient, code_of
from tests.support.service import Service
from tests.wardbridge.support import EXPORT, LAB, cli, command, configured, export, lab_text
from wardbridge.security.audit_spool import FOLDER

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


soon = retry(
    stop=stop_after_delay(180), wait=wait_fixed(0.02),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests that neither stop nor count: each has wards and visits of its own."""
    made = started(Service(tmp_path_factory.mktemp("running") / "data"))
    yield made
    assert made.stop() == 0


def started(service: Service) -> Service:
    service.start()
    service.wait_until_ready()
    return service


def tell(service: Service, *events: tuple[str, str], visit: str = "V1", step: int = 0) -> None:
    """Send events about a visit, a second apart; each must be accepted."""
    with MllpClient(service.mllp_port) as client:
        for number, (event, ward) in enumerate(events, step):
            at = Visit(visit, AT + timedelta(seconds=number))
            answer = client.ask(message(at, event, f"{visit}-{number}", ward=ward))
            assert code_of(answer) == "AA", answer


@contextmanager
def stream(service: Service, ward: str, after: int | str | None = None) -> Iterator[Iterator[Any]]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    url = f"{service.url}/v1/wards/{ward}/stream"
    with httpx.stream("GET", url, headers=headers, timeout=20) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry:")
        yield (json.loads(line[6:]) for line in lines if line.startswith("data: "))


def kinds(events: Iterator[Any], count: int) -> list[tuple[str, str, int]]:
    found = [next(events)["data"] for _ in range(count)]
    return [(data["kind"], data["reason"], data["sequence"]) for data in found]


def visits(service: Service, ward: str) -> list[str]:
    patients = service.get(f"/v1/wards/{ward}/inbound")["patients"]
    return [patient["visit"]["visit"] for patient in patients]


@soon
def until_on_list(service: Service, ward: str, expected: list[str]) -> None:
    assert visits(service, ward) == expected


def test_a_mark_over_mllp_is_told_to_the_ward_and_stands_on_its_list(running: Service) -> None:
    with stream(running, "MARK") as events:
        tell(running, ("A14", "MARK"), visit="M1")
        assert kinds(events, 1) == [("designated", "marked", 1)]
        assert visits(running, "MARK") == ["M1"]
        tell(running, ("A27", "MARK"), visit="M1", step=1)
        assert kinds(events, 1) == [("withdrawn", "cancelled", 2)]
    assert visits(running, "MARK") == []


def test_sigterm_drains_and_a_restart_resumes(service: Service) -> None:
    started(service)
    tell(service, *[("A14", "W1"), ("A14", "W2")] * 20)
    assert service.stop() == 0
    started(service)
    # What was acknowledged was decided before the end: the list is right at once.
    assert (visits(service, "W1"), visits(service, "W2")) == ([], ["V1"])
    with stream(service, "W1", after=1) as events:
        tell(service, ("A14", "W1"), step=40)
        told = kinds(events, 40)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        assert list(events) == []  # open streams end with the service
    assert [sequence for _, _, sequence in told] == list(range(2, 42))
    assert [kind for kind, _, _ in told] == ["withdrawn", "designated"] * 20
    assert service.stop() == 0


def test_a_terminal_that_hangs_up_drains_too(service: Service) -> None:
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which may be nohup's: it is inherited
    started(service)
    signal.signal(signal.SIGHUP, ours)
    tell(service, *[("A14", "W1"), ("A14", "W2")] * 20)
    assert service.stop(signal.SIGHUP) == 0
    started(service)
    assert (visits(service, "W1"), visits(service, "W2")) == ([], ["V1"])


def test_an_export_is_told_where_its_source_is_believed(tmp_path: Path) -> None:
    authority = '[authority.lab.wards]\nMED = "elvis"\n'
    config = configured(tmp_path, lab_text().replace("[authority.lab.wards]\n", authority))
    service = Service(tmp_path / "data", config)
    started(service)
    try:
        exported_at = f"{AT.astimezone(ZoneInfo('Europe/Stockholm')):%Y-%m-%d %H:%M}"
        of_now = EXPORT.replace("Exporttid;2026-01-15 06:00", f"Exporttid;{exported_at}")
        hidden = export(service.data / "inbox", of_now, ".export.part")
        hidden.rename(hidden.with_name("export.csv"))
        until_listed(service, "MED", 1)
    finally:
        assert service.stop() == 0


@soon
def until_listed(service: Service, ward: str, expected: int) -> None:
    assert len(visits(service, ward)) == expected


def test_no_process_of_it_outlives_it_however_it_ends(service: Service) -> None:
    started(service)
    children = service.children()
    assert children
    service.kill()
    until_ended(children)


@soon
def until_ended(processes: list[int]) -> None:
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []


def test_two_run_side_by_side(running: Service, service: Service) -> None:
    started(service)
    tell(running, ("A14", "SIDE"), visit="HERE")
    tell(service, ("A14", "SIDE"), visit="THERE")
    until_on_list(running, "SIDE", ["HERE"])
    until_on_list(service, "SIDE", ["THERE"])


def test_a_second_one_on_the_same_data_is_refused(running: Service) -> None:
    done = cli("run", "--config", LAB, "--data", running.data, "--port-offset", "1")
    assert done.returncode == 1
    assert "is being written by process" in done.stderr


def test_a_port_in_use_is_told_and_ends_it(running: Service, tmp_path: Path) -> None:
    offset = str(running.offset)
    done = cli("run", "--config", LAB, "--data", tmp_path / "x", "--port-offset", offset)
    assert done.returncode == 1
    port = running.url.rpartition(":")[2]
    assert f"cannot run: http: 127.0.0.1 port {port}: Address already in use" in done.stderr


def test_its_logs_name_no_patient(service: Service) -> None:
    started(service)
    tell(service, ("A14", "W1"), visit="SECRETVISIT")
    until_on_list(service, "W1", ["SECRETVISIT"])
    assert service.stop() == 0
    log = service.said()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert {"started", "stopped"} <= set(events)
    for secret in ("SECRETVISIT", "Åström"):
        assert secret not in log


def test_a_copy_taken_while_it_runs_is_a_service_of_its_own(
    running: Service, service: Service
) -> None:
    """The steps of docs/operating.md: backup, restore, send again what came after the copy."""
    tell(running, ("A14", "COPY"), visit="BEFORE")
    until_on_list(running, "COPY", ["BEFORE"])
    service.data.mkdir()
    with (
        closing(sqlite3.connect(running.data / "log.db")) as log,
        closing(sqlite3.connect(service.data / "log.db")) as copy,
    ):
        log.backup(copy)
    shutil.copy(running.data / "patient.key", service.data)
    tell(running, ("A14", "COPY"), visit="AFTER")
    until_on_list(running, "COPY", ["BEFORE", "AFTER"])
    last_id = running.get("/v1/wards/COPY/inbound")["last_event_id"]
    started(service)
    assert visits(service, "COPY") == ["BEFORE"]
    with stream(service, "COPY", after=2) as events:
        assert next(events) == {"ward": "COPY", "reason": "ahead", "sequence": 1}
        tell(service, ("A14", "COPY"), visit="BEFORE")
        tell(service, ("A14", "COPY"), visit="AFTER")
        assert kinds(events, 1) == [("designated", "marked", 2)]
    assert visits(service, "COPY") == ["BEFORE", "AFTER"]
    with stream(service, "COPY", after=last_id) as events:  # the number was given again since
        assert next(events) == {"ward": "COPY", "reason": "other-log", "sequence": 2}


def test_what_is_in_review_is_asked_of_the_service_which_notes_it_only_where_it_asks(
    running: Service,
) -> None:
    with MllpClient(running.mllp_port) as client:
        client.ask(message(Visit("", AT), "A14", "no-visit", ward="W1"))
    where = (
        "--config",
        running.config,
        "--data",
        running.data,
        "--port-offset",
        str(running.offset),
    )
    listed = cli("review", "list", *where)
    (item,) = [json.loads(line)["item"] for line in listed.stdout.splitlines()]
    assert (item["feed"], item["source"]) == ("hl7", "ehr")
    shown = command("review", "show", item["id"], *where)
    assert ">>><<<" in shown.stdout
    assert "Örjan" not in shown.stdout
    assert command("review", "list", *where, "--feed", "elvis").stdout == ""
    assert command("review", "show", "gone", *where).returncode == 2
    assert command("audit", "list", "--data", running.data).stdout == ""
    until_notes_are_taken_in(running)
    audited = command("audit", "list", "--data", running.data).stdout.splitlines()
    assert [json.loads(line)["about"] for line in audited] == ["audit list"]


@retry(
    retry=retry_if_exception_type(AssertionError),
    wait=wait_fixed(0.05),
    stop=stop_after_delay(180),
    reraise=True,
)
def until_notes_are_taken_in(service: Service) -> None:
    assert list((service.data / FOLDER).iterdir()) == []


def test_health_tells_of_feeds_and_the_router(running: Service) -> None:
    tell(running, ("A14", "HEALTH"), visit="H1")
    until_on_list(running, "HEALTH", ["H1"])
    until_seen(running, "hl7")
    health = running.get("/health")
    feeds = {feed["name"]: feed for feed in health["feeds"]}
    assert set(feeds) == {"hl7", "fhir", "elvis"}
    assert feeds["elvis"]["last_seen"] is None
    assert health["ready"]
    assert health["open_designations"] >= 1
    metrics = httpx.get(f"{running.url}/metrics").text
    assert 'wardbridge_feed_last_seen_timestamp_seconds{feed="hl7"}' in metrics


@soon
def until_seen(service: Service, feed: str) -> None:
    assert feed_health(service, feed)["last_seen"] is not None


@soon
def until_requests(service: Service, feed: str, expected: int) -> None:
    assert feed_health(service, feed)["figures"]["requests"] == expected


def feed_health(service: Service, name: str) -> dict[str, Any]:
    """As its process said last: some tenths of a second may pass."""
    (found,) = (each for each in service.get("/health")["feeds"] if each["name"] == name)
    return dict(found)


def test_the_page_shows_how_a_message_is_sent_by_hand(running: Service, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^bash -c .*/dev/tcp.*$", page, re.MULTILINE)
    file = tmp_path / "message.hl7"
    file.write_bytes(message(Visit("BYHAND", AT), "A14", "h1", ward="BYHAND"))
    line = line.replace("/2575", f"/{running.mllp_port}").replace("FILE", str(file))
    sent = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert "\nMSA|AA|h1" in sent.stdout
    until_listed(running, "BYHAND", 1)


def test_the_page_shows_how_an_encounter_is_sent_by_hand(running: Service) -> None:
    page = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
    (encounter,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (line,) = re.findall(r"^curl .*/fhir/Encounter$", page, re.MULTILINE)
    address = line.split()[-1].replace(":8090", f":{8090 + running.offset}")
    headers = {"Content-Type": "application/fhir+json"}
    assert all(f"{name}: {value}" in line for name, value in headers.items())
    assert httpx.post(address, content=encounter, headers=headers).status_code == 201
    until_listed(running, "W2", 1)
