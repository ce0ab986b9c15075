"""Break each rule of the router in turn: the fast tests must notice.

Each mutation is applied to a copy of the packages, and the router's tests run on the copy.
``WARDBRIDGE_MUTATIONS=all`` (``make campaign-mutations``) tries them all.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.project import ROOT
from tests.router.mutations import IN_EVERY_TEST_RUN, MUTATIONS, Mutation

ALL = os.environ.get("WARDBRIDGE_MUTATIONS") == "all"
CHOSEN = [m for m in MUTATIONS if ALL or m.rule in IN_EVERY_TEST_RUN]
FAST = (
    "stories", "stories_of_time", "due", "believed", "people", "identity", "renumbered", "continuity",
    "merged_protection", "clock", "keeping", "feeds", "readings", "another_register", "invariants", "totality", "plainly", "replay", "review",
)  # fmt: skip
COPIED = ("router", "bus", "schemas", "tests")


def mutated(mutation: Mutation, text: str) -> str:
    assert text.count(mutation.old) == 1, (
        f"{mutation.old!r} occurs {text.count(mutation.old)} times"
    )
    return text.replace(mutation.old, mutation.new)


def run_fast_tests(directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    files = [f"tests/router/test_{name}.py" for name in FAST]
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:randomly", *more]
    environment = {**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["HYPOTHESIS_PROFILE"] = "ci"
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--timeout", "30", *files],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in COPIED:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.rule)
def test_a_mutation_still_applies(mutation: Mutation) -> None:
    text = (ROOT / "router" / "core" / mutation.file).read_text(encoding="utf-8")
    compile(mutated(mutation, text), mutation.file, "exec")


def test_the_copy_is_what_runs(copy: Path) -> None:
    (copy / "router" / "core" / "visit.py").write_text("raise SystemError\n", encoding="utf-8")
    assert "SystemError" in run_fast_tests(copy).stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", CHOSEN, ids=lambda m: m.rule)
def test_a_broken_rule_fails_a_test(mutation: Mutation, copy: Path) -> None:
    path = copy / "router" / "core" / mutation.file
    path.write_text(mutated(mutation, path.read_text(encoding="utf-8")), encoding="utf-8")
    done = run_fast_tests(copy)
    assert done.returncode == 1, f"nothing noticed: {done.stdout[-2000:]}"


def test_the_rules_tried_in_every_run_exist() -> None:
    assert set(IN_EVERY_TEST_RUN) <= {mutation.rule for mutation in MUTATIONS}
