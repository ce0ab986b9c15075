"""The main job, as the README starts it: every notice, in the order in which the wards hear it."""

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

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
