"""The board in every state that it shows: readable by everybody, on a wall and on a phone."""

from __future__ import annotations

from pathlib import Path

from tests.support.screenshots import LOOKS, OVERCROWDED, pictures


def test_every_state_is_readable_in_both_languages_lights_and_sizes(tmp_path: Path) -> None:
    taken = list(pictures(tmp_path))
    assert [picture.file.name for picture in taken if picture.violations] == []
    assert [picture.file.name for picture in taken if picture.overflows] == []
    assert len(taken) == 2 * len(LOOKS) + len(OVERCROWDED)
    sizes = {picture.file.read_bytes() for picture in taken}
    assert len(sizes) == len(taken)  # none shows what another does
