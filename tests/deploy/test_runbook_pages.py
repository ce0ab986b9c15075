"""The pages that alerts lead to: each exists, and what it has people type works on an installation in trouble.

The lab asks for tokens, has subscribers that refuse one ward's notices, a mark at an unknown ward, a
message without a visit, a refused export and a refused reader. systemd and its journal are stood in for.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.deploy.test_monitoring import rules
from tests.deploy.test_runbook import RUNBOOK, SECTIONS
from tests.e2e.test_service import AT, started
from tests.support.access import bearer, lab_with_access
from tests.support.histories import Visit, message
from tests.support.mllp import MllpClient
from tests.support.receiver import Behaviour, Call, Receiver, answering
from tests.support.registered import with_register
from tests.support.service import Service
from tests.wardbridge.support import EXPORT, command

PAGE: Final = "docs/runbook.md#"
FILES: Final = "--config /etc/wardbridge/wardbridge.toml --data /var/lib/wardbridge"
SUBSCRIBER: Final = """
[subscribers.{name}.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""
REMAINS: Final = 3  # what a replay says while something cannot be read even now
HEALTH: Final = r'"name":"portal","delivered":1'
JOURNAL: Final = '"event": ?"started"'
SHOWS: Final[dict[str, tuple[str, ...]]] = {
    "The service does not answer": (r'"alive":true', JOURNAL),
    "A part does not do its work": (r'"ready":true', "not_well"),
    "Wards hear late": (r'"lag_records":0', JOURNAL),
    "A mark was not read": ('"reason":"ward-unknown"', ">>>the place that failed<<<", "ward-unknown of hl7"),
    "Much waits in review": ('"by":.*"reason":"ward-unknown"', "ward-unknown of hl7"),
    "A feed whose inputs are all refused": ('"reason":"visit-missing"', r"bad\.csv\.reason\.json"),
    "A feed does not work": (HEALTH,),
    "A feed is silent": ("Local Address:Port", '"last_seen":', "rejected"),
    "Inputs are not stored": (r'"ready":true', "Mounted on"),
    "Exports stay where they are": ("inbox/done", "inbox/rejected"),
    "A subscriber takes nothing": ('"trouble":"answered 500"', r"\[\]"),
    "Wards of a subscriber wait": (r'"stuck":\[\{"ward":"KIR","sequence":2', "taken in", "2 is skipped"),
    "A notice was not taken": (HEALTH,),
    "The router fails at a record": ("no fault since", r"\d+\.\d+\.\d+"),
    "Readings are not noted": (r'"ready":true', "none since"),
    "Many requests are refused": (r'"action":"refused".*"status":401',),
    "Readers of streams take nothing": ('"listeners_cut_off":0',),
    "Full disk": ("Mounted on", "wardbridge|data"),
}  # fmt: skip
"""What is seen, by page: all that alerts lead to, and what most of them lead on to."""


def anchor(title: str) -> str:
    """As the page's own links have it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


ANCHORS: Final = {anchor(title): title for title in SECTIONS}
ALERTED: Final = {rule["alert"]: rule["annotations"].get("runbook", "") for rule in rules()}


def typed(title: str) -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", SECTIONS[title], re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


def named(title: str) -> list[str]:
    """Commands within sentences and tables, such as one sees in the lines of blocks."""
    return re.findall(r"`(wardbridge [^`]+)`", SECTIONS[title].replace("\n  ", " "))


# -- the way from an alert to its page -------------------------------------------------------------------


@pytest.mark.parametrize("alert", ALERTED)
def test_each_alert_leads_to_a_page_that_has_commands_and_says_what_to_do(alert: str) -> None:
    page = ALERTED[alert]
    assert page.startswith(PAGE), page
    title = ANCHORS[page.removeprefix(PAGE)]
    assert typed(title)
    assert title in SHOWS
    (row,) = re.findall(rf"^\|[^|]*`{alert}`[^|]*\| \[(.+)\]\(#(.+)\) \|$", RUNBOOK, re.MULTILINE)
    assert row == (title, anchor(title))


def test_every_link_within_the_page_leads_somewhere() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK))
    assert links
    titles = re.findall(r"^##+ (.+)$", RUNBOOK, re.MULTILINE)
    assert links <= {anchor(title) for title in titles}


# -- what the pages have people type ---------------------------------------------------------------------


class Stage(NamedTuple):
    """The installation in trouble."""

    service: Service
    folder: Path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("runbook")
    with Receiver(refusing_kir) as receiver:
        subscribers = "".join(
            SUBSCRIBER.format(name=name, url=receiver.url) for name in ("portal", "kiosk")
        )
        service = with_register(
            lab_with_access(folder, "AKM", subscribers),
            AKM="AKM",
            KIR="KIR",
        )
        (folder / "header.txt").write_text(f"Authorization: {bearer('operator')['Authorization']}")
        inbox = service.data / "inbox"
        inbox.mkdir()
        (inbox / "bad.csv").write_text(EXPORT[: EXPORT.index("Antal")], encoding="utf-8")
        started(service)
        get_into_trouble(service)
        yield Stage(service, folder)
        assert service.stop() == 0


def refusing_kir(call: Call) -> Behaviour:
    return answering(500 if b'"ward":"KIR"' in call.body else 204)


def get_into_trouble(service: Service) -> None:
    said = (("V1", "AKM"), ("V2", "KIR"), ("V3", "K7"), ("", "AKM"))
    with MllpClient(service.mllp_port) as client:
        for number, (visit, ward) in enumerate(said):
            client.ask(message(Visit(visit, AT), "A14", f"m{number}", ward=ward))
    assert httpx.get(f"{service.url}/v1/wards/AKM/inbound").status_code == 401
    until_all_is_seen(service)


@retry(
    stop=stop_after_delay(60), wait=wait_fixed(0.2),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip
def until_all_is_seen(service: Service) -> None:
    health = httpx.get(f"{service.url}/health", headers=bearer("operator"), timeout=5).json()
    reasons = {each["reason"] for each in (health["review"] or {"by": []})["by"]}
    assert {"ward-unknown", "visit-missing"} <= reasons
    assert all(each["stuck"] and each["delivered"] for each in health["subscribers"])
    assert list((service.data / "inbox" / "rejected").glob("*.reason.json"))
    assert '"not_well"' in service.said()
    ran = shell(service, [f"wardbridge audit list --data {service.data}"], service.data.parent)
    assert '"refused"' in ran.stdout


@pytest.mark.parametrize("title", SHOWS)
def test_the_commands_of_a_page_work_and_show_what_it_is_about(stage: Stage, title: str) -> None:
    ran = shell(stage.service, [line for line in typed(title) if line], stage.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for seen in SHOWS[title]:
        assert re.search(seen, ran.stdout), (seen, ran.stdout + ran.stderr)


@pytest.mark.parametrize("title", SHOWS)
def test_each_command_named_in_a_sentence_exists_with_its_options(title: str) -> None:
    for line in named(title):
        words = shlex.split(line.replace("$R", FILES))
        assert command(*words[1:], "--help").returncode == 0, line


def test_an_option_that_does_not_exist_is_found_out() -> None:
    assert command("review", "discard", "ID", "--reeson", "x", "--help").returncode != 0


def shell(service: Service, lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Do them in one shell, in which the first that fails is the end."""
    script = "\n".join([stand_ins(service, folder), *(here(service, line) for line in lines)])
    return subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=service.environment | {"COLUMNS": "200"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def stand_ins(service: Service, folder: Path) -> str:
    journal = service.data.parent / f"{service.data.name}.log"
    where = f"--config {service.config} --data {service.data} --port-offset {service.offset}"
    return f"""set -e; trap 'echo "failed: $BASH_COMMAND" >&2' ERR
wardbridge() {{ {sys.executable} -m wardbridge "$@" || [ $? -eq {REMAINS} ]; }}
sudo() {{ "$@"; }}
systemctl() {{ echo "$@"; }}
journalctl() {{ cat {journal}; }}
curl() {{ command curl --fail --noproxy '*' -H @{folder}/header.txt "$@"; }}
R="{where} --token-file {folder}/operator.token"
"""


def here(service: Service, line: str) -> str:
    line = line.replace("http://127.0.0.1:8080", service.url)
    line = line.replace("/var/lib/wardbridge", str(service.data))
    return re.sub(r"\bSEQUENCE\b", "2", re.sub(r"\bSUBSCRIBER\b", "kiosk", line))
