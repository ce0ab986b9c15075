"""The systemd units: verified by systemd's own tool, and tried as far as no systemd runs here.

The start line is run as it stands, under strace, which shows whether the service does anything that
the unit's filters would refuse it; the backup is taken beside the running service and restored.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from bus.kafka.watchdog import EXIT_STUCK
from tests.deploy.units import UNITS, InstalledService, below, seconds, settings_of
from tests.e2e.test_service import tell, until_on_list, visits
from tests.packaging.project import package_files
from tests.support.runtimes import need
from wardbridge.config.log import KafkaSection
from wardbridge.config.models import ShutdownSection

SERVICE, BACKUP, TIMER = (
    "wardbridge.service",
    "wardbridge-backup.service",
    "wardbridge-backup.timer",
)
MOST_EXPOSURE = {SERVICE: 1.2, BACKUP: 0.7}  # of 10, as systemd judges
WRONG_CONFIGURATION = 2
WAITS = "an export that waits for somebody"
FOLDERS = {"etc/wardbridge": "0750", "var/backups/wardbridge": "0700"}
_SET = re.compile(r"^ +(@?[\w-]+)$", re.MULTILINE)
_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+)", re.MULTILINE)
_FAMILY = re.compile(r"socket\((AF_\w+)")


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """Each program they start has to be there and executable, each unit they name known."""
    need("systemd-analyze")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in (SERVICE, BACKUP, TIMER):
        shutil.copy(UNITS / unit, units)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for program in ("bin/wardbridge", "libexec/wardbridge-backup"):
        path = tmp_path / "opt/wardbridge" / program
        path.parent.mkdir(parents=True)
        shutil.copy(UNITS / "wardbridge-backup", path)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", SERVICE, BACKUP, TIMER],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, [line for line in ran.stderr.splitlines() if "wardbridge" in line]) == (
        0, []
    )  # fmt: skip


@pytest.mark.parametrize("unit", MOST_EXPOSURE)
def test_systemd_judges_the_unit_to_be_little_exposed(unit: str) -> None:
    need("systemd-analyze")
    ran = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", str(UNITS / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"Overall exposure level for .*: ([\d.]+)", ran.stdout)
    assert level, ran.stderr
    assert float(level[1]) <= MOST_EXPOSURE[unit]


def test_the_account_and_the_folders_can_be_made(tmp_path: Path) -> None:
    need("systemd-sysusers", "systemd-tmpfiles")
    if os.geteuid() != 0:
        pytest.skip("only root makes accounts")
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        file = UNITS / f"{command[0].removeprefix('systemd-')}.conf"
        subprocess.run([*command, f"--root={tmp_path}", str(file)], check=True)
    (account,) = (tmp_path / "etc/passwd").read_text("utf-8").splitlines()
    assert account.startswith("wardbridge:")
    assert account.endswith(":/var/lib/wardbridge:/usr/sbin/nologin")
    modes = {path: oct((tmp_path / path).stat().st_mode)[-4:] for path in FOLDERS}
    assert modes == FOLDERS


def test_a_stuck_commit_is_started_again_and_a_wrong_configuration_is_not() -> None:
    settings = settings_of(SERVICE)
    assert settings["Restart"] == ["on-failure"]
    prevented = set(settings["RestartPreventExitStatus"][0].split())
    assert prevented == {str(WRONG_CONFIGURATION)}
    assert str(EXIT_STUCK) not in prevented
    assert "SuccessExitStatus" not in settings


def most_drain_s() -> float:
    """What is acknowledged, then a child's batch in hand, then records on their way."""
    sources = "".join(path.read_text(encoding="utf-8") for path in package_files())
    child_s = max(
        map(float, re.findall(r"^STOP_WITHIN_S: Final = ([\d.]+)", sources, re.MULTILINE))
    )
    brokers = KafkaSection(brokers=("kafka:9092",))
    return ShutdownSection().drain_s + child_s + brokers.delivery_timeout_s


def test_the_time_to_stop_fits_the_drain() -> None:
    assert seconds(settings_of(SERVICE)["TimeoutStopSec"][0]) > most_drain_s()


class Life(NamedTuple):
    """What one run of the unit's start line left behind."""

    exit_code: int
    backup: Path
    trace: str
    journal: list[str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Started by the unit's line, told of a mark, backed up by the other unit's line, ended."""
    need("strace", "sqlite3")
    root = tmp_path_factory.mktemp("machine")
    service = InstalledService(root, ["strace", "-D", "-f", "-qq", "-o", str(root / "trace")])
    service.start()
    try:
        service.wait_until_ready()
        tell(service, ("A14", "W1"))
        until_on_list(service, "W1", ["V1"])
        (service.data / "subscribers.key").write_text("made at the first registration")
        (service.data / "inbox" / "rejected").mkdir(parents=True, exist_ok=True)
        (service.data / "inbox" / "rejected" / "waits.csv").write_text(WAITS)
        copy = backed_up(root)
        code = service.stop()
    finally:
        service.kill()
    trace = (root / "trace").read_text(encoding="utf-8", errors="replace")
    return Life(code, copy, trace, (root / "journal").read_text("utf-8").splitlines())


def backed_up(root: Path) -> Path:
    (line,) = settings_of(BACKUP)["ExecStart"]
    program, *folders = shlex.split(below(root, line))
    command = [str(UNITS / Path(program).name), *folders]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def test_a_backup_beside_the_running_service_can_be_restored(life: Life, tmp_path: Path) -> None:
    kept = {"log.db", "patient.key", "subscribers.key", "files.tar"}
    assert {each.name for each in life.backup.iterdir()} == kept
    restored = InstalledService(tmp_path)
    for name in ("log.db", "patient.key"):
        shutil.copy(life.backup / name, restored.data)
    unpack = ["tar", "--extract", "--file", str(life.backup / "files.tar"), "--directory"]
    subprocess.run([*unpack, str(restored.data)], check=True)
    assert (restored.data / "inbox" / "rejected" / "waits.csv").read_text() == WAITS
    restored.start()
    try:
        restored.wait_until_ready()
        assert visits(restored, "W1") == ["V1"]
        tell(restored, ("A27", "W1"), step=1)
        until_on_list(restored, "W1", [])
        assert restored.stop() == 0
    finally:
        restored.kill()


def backed_up_by_hand(data: Path, target: Path, *keep: str) -> subprocess.CompletedProcess[str]:
    program = UNITS / "wardbridge-backup"
    return subprocess.run(
        [str(program), str(data), str(target), *keep], capture_output=True, text=True, check=False
    )


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A data folder that has what a copy needs."""
    need("sqlite3")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["sqlite3", str(data / "log.db"), "CREATE TABLE t (x)"], check=True)
    (data / "patient.key").write_text("secret")
    return data


def test_the_newest_copies_are_kept_and_nothing_else_is_removed(
    small: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    strangers = {"20200101T000000Z-by-hand", "lost+found", "notes 20200101T000000Z"}
    older = {f"2026010{day}T023000Z" for day in range(1, 6)}
    for name in strangers | older:
        (target / name).mkdir(parents=True)
    ran = backed_up_by_hand(small, target, "3")
    assert ran.returncode == 0, ran.stderr
    made = Path(ran.stdout.strip()).name
    left = {made, "20260105T023000Z", "20260104T023000Z"}
    assert {each.name for each in target.iterdir()} == strangers | left


@pytest.mark.parametrize("keep", ["0", "-1", "many", ""])
def test_a_number_of_copies_that_is_none_is_refused_before_the_work(
    small: Path, tmp_path: Path, keep: str
) -> None:
    ran = backed_up_by_hand(small, tmp_path / "target", keep)
    expected = 0 if keep == "" else 2
    assert ran.returncode == expected, ran.stderr
    assert (tmp_path / "target").exists() == (expected == 0)


def test_a_file_whose_name_is_bytes_is_copied(small: Path, tmp_path: Path) -> None:
    name = os.fsdecode("SÄS Borås.csv".encode("latin-1"))
    (small / "inbox").mkdir()
    (small / "inbox" / name).write_text(WAITS)
    ran = backed_up_by_hand(small, tmp_path / "target")
    assert ran.returncode == 0, ran.stderr
    with tarfile.open(Path(ran.stdout.strip()) / "files.tar") as copied:
        assert f"./inbox/{name}" in copied.getnames()
        assert {each.partition("/")[2].partition("/")[0] for each in copied.getnames()} == {
            "",
            "inbox",
        }


def test_nothing_of_an_unfinished_backup_passes_for_one(tmp_path: Path) -> None:
    need("sqlite3")
    (tmp_path / "log.db").write_bytes(b"not a database, but long enough to look like one" * 20)
    ran = subprocess.run(
        [str(UNITS / "wardbridge-backup"), str(tmp_path), str(tmp_path / "target")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode != 0
    assert [each.name for each in (tmp_path / "target").iterdir()] == [".unfinished"]


def test_the_start_line_drains_on_sigterm(life: Life) -> None:
    assert life.exit_code == 0
    ended = json.loads(life.journal[-1])
    assert (ended["event"], ended["unfinished"]) == ("stopped", 0)


def test_the_service_does_nothing_that_the_unit_refuses(life: Life) -> None:
    need("systemd-analyze")
    called = set(_CALL.findall(life.trace)) - {"unfinished", "resumed"}
    assert {"openat", "fsync", "futex", "execve"} <= called  # strace saw the work
    if os.geteuid() == 0:
        called -= {"fchown"}  # SQLite keeps the owner of its files, but only as root
    assert called - allowed_calls() == set()
    families = set(settings_of(SERVICE)["RestrictAddressFamilies"][0].split())
    assert set(_FAMILY.findall(life.trace)) - families == set()
    assert re.findall(r".*PROT_WRITE\|PROT_EXEC.*", life.trace) == []  # MemoryDenyWriteExecute


def allowed_calls() -> set[str]:
    """As the unit's filters say: the first names what is allowed, others take away."""
    allowed, *refused = settings_of(SERVICE)["SystemCallFilter"]
    calls = calls_in(allowed)
    for each in refused:
        assert each.startswith("~")
        calls -= calls_in(each[1:])
    return calls


def calls_in(name: str) -> set[str]:
    """The system calls of a set, those of the sets within it among them."""
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    return {call for part in _SET.findall(shown) for call in calls_in(part)}
