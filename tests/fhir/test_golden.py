"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fhir.golden import STORIES, played

INPUTS = sorted(STORIES.glob("*/*.fhir"))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_input_comes_out_as_written(path: Path) -> None:
    assert played(path) == path.with_suffix(".json").read_text(encoding="utf-8")


def test_no_fixture_is_an_orphan() -> None:
    files = {path for path in STORIES.glob("*/*") if path.name != "feed.json"}
    assert len(INPUTS) >= 30
    assert files == set(INPUTS) | {path.with_suffix(".json") for path in INPUTS}


def test_each_story_numbers_its_inputs_from_one() -> None:
    for story in STORIES.iterdir():
        numbers = sorted(int(path.name[:2]) for path in story.glob("*.fhir"))
        assert numbers == list(range(1, len(numbers) + 1)), story.name
