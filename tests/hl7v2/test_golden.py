"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hl7v2.golden import STORIES, played

MESSAGES = sorted(STORIES.glob("*/*.hl7"))


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_message_comes_out_as_written(path: Path) -> None:
    assert played(path) == path.with_suffix(".json").read_text(encoding="utf-8")


def test_no_fixture_is_an_orphan() -> None:
    files = {path for path in STORIES.glob("*/*") if path.name != "feed.json"}
    assert len(MESSAGES) >= 30
    assert files == set(MESSAGES) | {path.with_suffix(".json") for path in MESSAGES}
    assert all(path.name[:2].isdigit() for path in files)


def test_each_story_numbers_its_messages_from_one() -> None:
    for story in STORIES.iterdir():
        numbers = sorted(int(path.name[:2]) for path in story.glob("*.hl7"))
        assert numbers == list(range(1, len(numbers) + 1)), story.name


def test_a_repetition_under_another_control_id_is_the_same_observation() -> None:
    story = STORIES / "the_move_was_wrong"
    ids = [
        json.loads(path.read_text(encoding="utf-8"))["observations"][0]["id"]
        for path in sorted(story.glob("*.json"))
    ]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 3
