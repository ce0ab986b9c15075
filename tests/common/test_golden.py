"""The check of the golden stories finds what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.golden import GOLDEN, RULES, Readings, Stories


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


@pytest.mark.parametrize("adapter", sorted(RULES))
def test_an_input_that_is_read_otherwise_raises_the_number_of_the_rules(adapter: str) -> None:
    """The number is part of a reading's revision: what is kept is read anew, and the new reading counts."""
    assert Readings.kept(adapter).faults(Readings.of(GOLDEN / adapter, RULES[adapter])) == []


@pytest.mark.parametrize(
    ("now", "faults"),
    [
        (Readings(3, {"a/1": "x", "b/1": "y"}), []),
        (Readings(3, {"a/1": "x"}), []),  # a story that is not told any more
        (Readings(3, {"a/1": "z", "b/1": "y"}), ["a/1 is read otherwise: raise RULES from 3"]),
        (Readings(4, {"a/1": "z", "b/1": "y"}), ["RULES is 4 and not 3: run tests.support.golden"]),
        (Readings(3, {"a/1": "x", "c/1": "y"}), ["c/1 is new: run tests.support.golden"]),
    ],
)
def test_readings_are_compared(now: Readings, faults: list[str]) -> None:
    assert Readings(3, {"a/1": "x", "b/1": "y"}).faults(now) == faults
