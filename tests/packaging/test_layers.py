"""What import-linter cannot see: what reading the configuration reads, circles of single modules, names used twice."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.packaging.project import ROOT, package_files

HEAVY = (
    "aiohttp",
    "fastapi",
    "httpx",
    "kafka",
    "prometheus_client",
    "starlette",
    "uvicorn",
    "watchfiles",
)
ABOVE = ("wardbridge.ingest", "wardbridge.net", "wardbridge.api", "bus.kafka", "bus.sqlite")
LOADED = """
import sys
import wardbridge.config.load
from wardbridge.config.kinds import KINDS
assert [kind.settings for kind in KINDS.values()]
print(*sys.modules)
"""


def test_the_configuration_reads_no_http_no_feed_and_no_client() -> None:
    told = subprocess.run(
        [sys.executable, "-P", "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(told.stdout.split())
    assert loaded.isdisjoint(HEAVY)
    assert [name for name in loaded if name.startswith(ABOVE)] == []


def imported(module: str, modules: set[str]) -> Iterator[str]:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in modules else node.module


def test_no_modules_import_one_another_in_a_circle() -> None:
    files = [file.relative_to(ROOT).with_suffix("") for file in package_files()]
    modules = {".".join(part for part in file.parts if part != "__init__") for file in files}
    imports = {each: {*imported(each, modules)} & modules - {each} for each in modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_public_class_name_means_one_thing() -> None:
    found = defaultdict(list)
    for file in package_files():
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in found.items() if len(files) > 1} == {}
