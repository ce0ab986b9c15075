"""Inputs that nobody would send, by the thousand: nothing raises, nothing unfit is let out.

``make campaign-fuzz`` makes a million of them and looks at their time too. What it finds lies in
``found/TARGET/`` and is tried in every run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, Target
from tests.support.campaigns import only_in_campaigns

FOUND: Final = Path(__file__).parent / "found"
INPUTS: Final = int(os.environ.get("WARDBRIDGE_FUZZ", "1000000"))
SLOW_S: Final = 0.1
A_FEW: Final = 400


def found() -> Iterator[tuple[str, Path]]:
    for path in sorted(FOUND.rglob("*")):
        if path.is_file():
            yield path.parent.name, path


@pytest.mark.parametrize("target", TARGETS)
def test_a_few_hundred_inputs(target: str, random_seed: int) -> None:
    random, fuzzed = Random(random_seed), TARGETS[target]
    for _ in range(A_FEW):
        fuzzed.call(mutated(random, fuzzed.seeds()))


@pytest.mark.parametrize(
    ("target", "path"), list(found()), ids=lambda each: getattr(each, "name", each)
)
def test_what_was_found_once(target: str, path: Path) -> None:
    TARGETS[target].call(path.read_bytes())


def test_every_target_has_seeds_of_its_own_kind() -> None:
    assert {name for name, fuzzed in TARGETS.items() if len(fuzzed.seeds()) < 5} == set()
    assert {name for name, _ in found()} <= set(TARGETS)


@only_in_campaigns
@pytest.mark.parametrize("target", TARGETS)
def test_a_million_inputs(target: str, random_seed: int) -> None:
    """The million is shared by all targets; the time of an input is its own CPU time."""
    fuzzed, count = TARGETS[target], INPUTS // len(TARGETS)
    slowest, slow, failed = 0.0, 0, 0
    for number in range(count):
        data = mutated(Random(f"{random_seed}/{number}"), fuzzed.seeds())
        began = time.thread_time()
        try:
            fuzzed.call(data)
        except Exception as error:  # noqa: BLE001 - counted, kept, told at the end
            failed += 1
            keep(target, f"{type(error).__name__}-{number}", data)
        took = time.thread_time() - began
        if took > SLOW_S:  # it may have been the collector's turn
            took = min(timed(fuzzed.call, data) for _ in range(3))
        slowest = max(slowest, took)
        if took > SLOW_S:
            slow += 1
            keep(target, f"slow-{number}", data)
    print(
        f"{target}: {count} inputs, {failed} failed, {slow} over {SLOW_S} s, slowest {slowest:.3f} s"
    )
    assert (failed, slow) == (0, 0)


def timed(call: Target, data: bytes) -> float:
    began = time.thread_time()
    with suppress(Exception):
        call(data)
    return time.thread_time() - began


def keep(target: str, name: str, data: bytes) -> None:
    folder = Path("build") / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


@pytest.fixture
def random_seed(request: pytest.FixtureRequest) -> int:
    """The seed that pytest-randomly prints on its first line."""
    return int(request.config.getoption("randomly_seed", default=1))
