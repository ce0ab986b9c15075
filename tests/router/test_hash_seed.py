"""What is decided, and in which order it is said, is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.router.hearing import Router
from tests.router.one_history import crowded

ROOT = Path(__file__).parents[2]


def digest_in_a_process(seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.router.one_history"],
        env=environment, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return run.stdout


def test_the_records_are_the_same_however_strings_are_hashed() -> None:
    assert len({digest_in_a_process(seed) for seed in (1, 2, 3)}) == 1


def test_where_one_statement_makes_two_numbers_too_many_both_are_nobodys() -> None:
    router = Router().hear(*crowded())
    assert sorted(router.state.realms["lab"].numbers["ehr"].bonds.crowded) == ["O", "n"]
