"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hl7v2.golden import STORIES, outcome_of, played
from tests.support.golden import expectation, wrongly_explained


@pytest.mark.parametrize(
    "path", STORIES.inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_message_comes_out_as_written(path: Path) -> None:
    assert played(path) == expectation(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path", STORIES.inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_value_is_explained_and_asking_changes_nothing(path: Path) -> None:
    explained = outcome_of(path, explain=True)
    assert wrongly_explained(explained) == []
    assert replace(explained, origins=()) == outcome_of(path)


def test_every_fixture_has_its_place() -> None:
    assert STORIES.faults() == []
    assert len(STORIES.inputs()) >= 39


def test_a_repetition_under_another_control_id_is_the_same_observation() -> None:
    ids = [
        json.loads(played(path))["observations"][0]["id"]
        for path in STORIES.inputs("the_move_was_wrong")
    ]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 3
