"""Every golden story comes out as written, and no fixture is an orphan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.elvis.golden import STORIES, played, written

NAMES = sorted(path.name for path in STORIES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", NAMES)
def test_a_story_comes_out_as_written(name: str) -> None:
    for path, shown in played(STORIES / name):
        assert written(shown) == path.read_text(encoding="utf-8"), path.name


def test_no_fixture_is_an_orphan() -> None:
    files = {path for path in STORIES.glob("*/*") if path.name != "feed.json"}
    exports = {path for path in files if path.suffix == ".csv"}
    assert exports
    assert files == exports | {path.with_suffix(".json") for path in exports}
    assert all(path.name[:2].isdigit() for path in files)


def test_every_story_has_an_export() -> None:
    assert NAMES
    assert all(list(Path(STORIES / name).glob("*.csv")) for name in NAMES)
