"""The main job, as the README starts it: every notice, in the order in which the wards hear it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from schemas.notification import Notification

# By ward, since a step that tells two wards may tell them in either order.
EXPECTED = {
    "SODER-MED": [
        ("designated", "marked", "08:00"),
        ("designated", "marked", "11:00"),
        ("arrived", "moved-in", "08:00"),
        ("changed", "updated", "13:00"),
    ],
    "SODER-GER": [("designated", "marked", "09:30")],
    "NORR-KIR": [
        ("designated", "marked", "09:00"),
        ("withdrawn", "redesignated", "09:00"),
    ],
    "NORR-MED": [
        ("designated", "marked", "08:00"),
        ("designated", "marked", "09:30"),
        ("arrived", "moved-in", "08:00"),
        ("designated", "marked", "11:00"),
        ("designated", "reopened", "08:00"),
        ("arrived", "moved-in", "08:00"),
        ("changed", "updated", "10:30"),
    ],
    "NORR-GER": [
        ("designated", "marked", "10:00"),
        ("withdrawn", "discharged", "10:00"),
    ],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Notification]:
    file = tmp_path_factory.mktemp("demo") / "told.jsonl"
    ended = subprocess.run(
        [sys.executable, "-m", "wardbridge", "demo", "--pace", "0", "--told", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [Notification.model_validate_json(line) for line in file.read_text().splitlines()]


def _in_stockholm(notice: Notification) -> str:
    assert notice.data.expected_at is not None
    return f"{notice.data.expected_at.astimezone(ZoneInfo('Europe/Stockholm')):%H:%M}"


def test_every_ward_is_told_exactly_its_story(told: list[Notification]) -> None:
    found = {
        ward: sorted(
            (n.data.kind.value, n.data.reason.value, _in_stockholm(n))
            for n in told
            if n.data.ward == ward
        )
        for ward in {n.data.ward for n in told}
    }
    assert found == {ward: sorted(story) for ward, story in EXPECTED.items()}


def test_each_wards_notices_are_numbered_without_a_gap(told: list[Notification]) -> None:
    for ward, story in EXPECTED.items():
        sequence = [notice.data.sequence for notice in told if notice.data.ward == ward]
        assert sequence == list(range(1, len(story) + 1))


def test_no_notice_names_a_patient(told: list[Notification]) -> None:
    text = " ".join(notice.model_dump_json() for notice in told)
    morning = Path("wardbridge/demo/morning")
    numbers = {
        line.split("|")[3].split("^")[0]
        for file in (Path(__file__).parents[2] / morning).glob("*.hl7")
        for line in file.read_text().splitlines()
        if line.startswith("PID")
    }
    assert len(numbers) > 5
    assert not [number for number in numbers if number in text]


@pytest.mark.parametrize("told_to_end", [signal.SIGINT, signal.SIGTERM])
def test_kept_up_it_can_be_looked_at_until_it_is_told_to_end_and_leaves_nothing(
    told_to_end: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "wardbridge", "demo", "--pace", "0", "--keep"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONSAFEPATH": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        shown = ""
        while "Ctrl-C ends it" not in shown:
            shown += demo.stdout.readline() or pytest.fail(f"it ended too soon:\n{shown}")
        health = re.search(r"http://\S+/health", shown)
        assert health is not None
        assert httpx.get(health[0]).json()["ready"] is True
        demo.send_signal(told_to_end)
        demo.communicate(timeout=30)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(health[0])
