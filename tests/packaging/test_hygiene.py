"""What may not stand in the repository: addresses of indexes, paths of a machine, long files."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.packaging.project import PACKAGES, ROOT, package_files, python_files, tracked_text

MOST_LINES = 600
_INDEXES = (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"))
_INDEX_HOST = re.compile("|".join(re.escape(".".join(host)) for host in _INDEXES))
_MACHINE_PATH = re.compile(r"(?<![\w.<>*])/(?:work|root|home|mnt|opt/wheels|tmp/team)/")
_ADDRESS = re.compile(r"://|^\s*-[-fi]|\s@\s|file:", re.MULTILINE)
_NOT_PURE = {"now", "today", "utcnow", "fromtimestamp", "open", "print", "input"}


def matches(pattern: re.Pattern[str]) -> dict[str, str]:
    found = {path: pattern.search(text) for path, text in tracked_text().items()}
    return {path: match[0] for path, match in found.items() if match}


def test_no_tracked_file_names_a_package_index() -> None:
    assert matches(_INDEX_HOST) == {}


def test_no_tracked_file_names_a_path_of_a_machine() -> None:
    assert matches(_MACHINE_PATH) == {}


def test_the_pinned_set_names_no_address_and_pins_every_line() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert [line for line in constraints.splitlines() if _ADDRESS.search(line.split("#")[0])
            and "--hash=sha256:" not in line] == []  # fmt: skip
    entries = re.split(r"\n(?=[a-z])", constraints, flags=re.IGNORECASE)
    assert len(entries) > 30
    assert [e for e in entries if "==" not in e.splitlines()[0] or "--hash=" not in e] == []


def test_no_python_file_is_longer_than_six_hundred_lines() -> None:
    lengths = {path: len(path.read_bytes().splitlines()) for path in python_files()}
    assert {str(path): n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_the_core_and_the_language_call_no_clock_and_open_nothing() -> None:
    pure = [
        path
        for path in package_files()
        if path.is_relative_to(ROOT / "router/core") or path.is_relative_to(ROOT / "schemas")
    ]
    assert len(pure) > 10
    assert [call for path in pure for call in impure_calls(path)] == []


def impure_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in _NOT_PURE:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def test_what_the_packages_import_is_declared() -> None:
    imported = {name for path in package_files() for name in imported_names(path)}
    distributions = packages_distributions()
    needed = {
        distributions[name][0].lower().replace("_", "-")
        for name in imported - set(PACKAGES)
        if name in distributions
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needed
    declared = {re.split(r"[\[<>=~]", each)[0] for each in project["dependencies"]}
    assert needed - declared == set()


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
