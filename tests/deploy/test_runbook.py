"""The runbook: what it names exists, and what it says one sees is what the service says."""

import re

import pytest

from tests.deploy.manifests import DEPLOY
from tests.deploy.test_monitoring import rules
from tests.deploy.units import UNITS, settings_of
from tests.packaging.project import ROOT, package_files

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
COMMANDS = "\n".join(re.findall(r"^```\n(.*?)```", RUNBOOK, re.MULTILINE | re.DOTALL))
VERSION = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]

SEEN = {
    "`started`": 'info("started"',
    "`stopped`": 'info("stopped"',
    "`unfinished`": "unfinished=",
    "`failed`": 'error("failed"',
    "`commit_stuck`": 'critical("commit_stuck"',
    "`not_well`": 'error("not_well"',
    "`well_again`": 'info("well_again"',
    "it cannot start and is tried again: ": "it cannot start and is tried again: ",
    "it failed and is started again: ": "it failed and is started again: ",
    "the directory cannot be read: ": "the directory cannot be read: ",
    "exports are refused: ": "exports are refused: ",
    "exports cannot be read: ": "exports cannot be read: ",
    "no whole export of scope ": "no whole export of scope ",
    "`topic_differs`": 'warning("topic_differs"',
    "`cannot run: ": 'f"cannot run: ',
    "connecting to …": 'f"connecting to ',
    "another process took over under our name": "another process took over under our name",
    "the log was written by a newer wardbridge": "the log was written by a newer wardbridge",
    "nothing was stored: send it again": "nothing was stored: send it again",
    "restore it from the copy": "restore it from the copy",
    "is not the secret that the patients of this log are keyed with": "is not the secret that the patients of this log are keyed with",
    "a patient key secret has 1 to 64 bytes": 'f"a patient key secret has 1 to {MAX_SECRET_BYTES} bytes"',
    "holds no whole certificate in PEM": "holds no whole certificate in PEM",
    "no whole private key": "no whole private key",
    "`register_damaged`": 'error("register_damaged"',
    "`register_trouble`": "register_trouble: str",
    ".last-good": '".last-good"',
    "no answer within the time limit": "no answer within the time limit",
    "the endpoint answered 410 Gone": "the endpoint answered 410 Gone",
    "no handshake: ": '"no handshake"',
    "takes nothing: ": '"takes nothing"',
    "paused by hand: ": '"paused by hand"',
    "subscribers.key": '"subscribers.key"',
    "NotTogetherError": "class NotTogetherError",
    "the positions are not the state's": "the positions are not the state's",
    "the state is gone": "the state is gone",
    "was made anew": "was made anew",
    "goes on at the positions that its state has": "goes on at the positions that its state has",
    "retention_doubts_the_clock": '"retention_doubts_the_clock"',
    "retention_believes_the_clock": '"retention_believes_the_clock"',
    "LogFullError": "class LogFullError",
    "LogError": "class LogError",
    "`delivery_timeout_s` (20 s)": "delivery_timeout_s: float = Field(\n        20.0",
    "`commit_timeout_s`": "commit_timeout_s: float",
    "`router.tick_interval_s`": "tick_interval_s: float",
    "`shutdown.drain_s`": "drain_s: float",
}
"""What the page quotes, and where it comes from in the sources."""


def test_every_case_of_the_page_is_there() -> None:
    assert list(SECTIONS)[:-1] == [
        "Install", "Start", "Stop", "Upgrade", "Rollback", "A log of an older format", "Restore",
        "The service does not answer", "A part does not do its work", "Wards hear late",
        "A ward was not told",
        "A mark was not read", "Much waits in review", "A feed whose inputs are all refused",
        "A feed is silent", "Inputs are not stored", "Exports stay where they are",
        "A notice was not taken", "The router fails at a record", "Readings are not noted",
        "Many requests are refused", "Readers of streams take nothing", "A subscriber takes nothing",
        "Wards of a subscriber wait", "A feed does not work", "A damaged register, certificate or secret", "Lost broker",
        "Positions and state do not belong together", "A clock that is not believed", "Full disk",
        "Rebalance storm",
    ]  # fmt: skip
    without_commands = ("What", "A log of")
    assert all("```" in SECTIONS[name] or name.startswith(without_commands) for name in SECTIONS)


@pytest.mark.parametrize("quoted", SEEN)
def test_what_one_sees_is_what_the_service_says(quoted: str) -> None:
    assert quoted in RUNBOOK
    sources = "\n".join(path.read_text(encoding="utf-8") for path in package_files())
    assert SEEN[quoted] in sources


def test_the_units_it_starts_and_stops_exist() -> None:
    named = set(re.findall(r"\bwardbridge[\w-]*\.(?:service|timer)", COMMANDS))
    assert named == {path.name for path in UNITS.iterdir() if path.suffix in {".service", ".timer"}}


def test_everything_of_the_units_folder_is_installed_in_this_version() -> None:
    install = SECTIONS["Install"]
    for path in UNITS.iterdir():
        assert path.name in install or f"deploy/systemd/*{path.suffix}" in install, path.name
    versions = set(re.findall(r"wardbridge-(\d[\w.]*\d)", COMMANDS))
    assert versions == {VERSION}


def test_programs_are_where_the_units_look_for_them() -> None:
    for unit in ("wardbridge.service", "wardbridge-backup.service"):
        program = settings_of(unit)["ExecStart"][0].split()[0]
        installed = program.replace("/opt/wardbridge/", f"/opt/wardbridge-{VERSION}/")
        assert program in COMMANDS or installed in COMMANDS


def test_it_installs_as_the_image_does() -> None:
    steps = (DEPLOY / "image" / "Dockerfile").read_text(encoding="utf-8")
    for step in ("pip install --require-hashes --no-deps -r deploy/requirements.txt",
                 "pip install --no-deps dist/"):  # fmt: skip
        assert step in steps
        assert step in COMMANDS


def test_the_alerts_it_names_exist() -> None:
    named = set(re.findall(r"\bWardbridge[A-Z]\w+", RUNBOOK))
    assert named
    assert named <= {rule["alert"] for rule in rules()}
