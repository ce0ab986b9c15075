"""The check of the golden stories finds what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.golden import Stories


@pytest.mark.parametrize(
    ("files", "faults"),
    [
        (["01_a.hl7", "01_a.json", "02_b.hl7", "02_b.json", "feed.json"], []),
        (["01_a.hl7"], []),
        (["01_a.hl7", "02_b.json"], ["story: 02_b.json belongs to nothing"]),
        (["01_a.hl7", "notes.txt"], ["story: notes.txt belongs to nothing"]),
        (["01_a.hl7", "03_b.hl7"], ["story: its inputs are numbered ['01', '03']"]),
        (["01_a.hl7", "01_b.hl7"], ["story: its inputs are numbered ['01', '01']"]),
        (["feed.json"], ["story: its inputs are numbered []"]),
    ],
)
def test_an_orphan_or_a_wrong_number_is_a_fault(
    tmp_path: Path, files: Sequence[str], faults: list[str]
) -> None:
    (tmp_path / "story").mkdir()
    for name in files:
        (tmp_path / "story" / name).touch()
    assert Stories(tmp_path, "hl7").faults() == faults
