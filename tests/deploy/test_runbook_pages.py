"""The pages that alerts lead to: each exists, and what it has people type works on an installation in trouble.

systemd and its journal are stood in for.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.deploy.test_monitoring import rules
from tests.deploy.test_runbook import RUNBOOK, SECTIONS
from tests.deploy.trouble import in_trouble
from tests.support.service import Service
from tests.wardbridge.support import command

PAGE: Final = "docs/runbook.md#"
FILES: Final = "--config /etc/wardbridge/wardbridge.toml --data /var/lib/wardbridge"
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
    "A damaged register, certificate or secret": ('"register_trouble":null', r"right; \d feeds"),
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
    with in_trouble(folder) as service:
        yield Stage(service, folder)


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
    line = line.replace("/etc/wardbridge/wardbridge.toml", str(service.config))
    line = line.replace("/var/lib/wardbridge", str(service.data))
    return re.sub(r"\bSEQUENCE\b", "2", re.sub(r"\bSUBSCRIBER\b", "kiosk", line))
