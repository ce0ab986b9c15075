"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

import pytest

from tests.elvis.golden import STORIES, played
from tests.support.golden import expectation


@pytest.mark.parametrize("story", STORIES.names())
def test_a_story_comes_out_as_written(story: str) -> None:
    for path, text in played(story):
        assert text == expectation(path).read_text(encoding="utf-8"), path.name


def test_every_fixture_has_its_place() -> None:
    assert STORIES.faults() == []
    assert len(STORIES.inputs()) >= 29
