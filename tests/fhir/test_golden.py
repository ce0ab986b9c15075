"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fhir.golden import STORIES, outcome_of, played
from tests.support.golden import expectation, wrongly_explained


@pytest.mark.parametrize(
    "path", STORIES.inputs(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_an_input_comes_out_as_written(path: Path) -> None:
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
    assert len(STORIES.inputs()) >= 73
