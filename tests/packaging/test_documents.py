"""What the documents name exists: make targets, commands, files."""

import re

import pytest

from tests.packaging.project import ROOT, make_targets

DOCUMENTS = ("README.md", "CONTRIBUTING.md")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_MAKE = re.compile(r"\bmake +([a-z][a-z-]*)")
_TOOL = re.compile(r"\.venv/bin/([a-z-]+)")
_PATH = re.compile(r"(?<![\w./-])((?:[\w.-]+/)+[\w.-]*)")
_ROOTS = {path.name for path in ROOT.iterdir()} - {".venv"}


def code_in(document: str) -> str:
    return "\n".join(_CODE.findall((ROOT / document).read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_named_exists(document: str) -> None:
    named = set(_MAKE.findall(code_in(document)))
    assert named
    assert named <= make_targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_tool_of_the_environment_named_is_installed(document: str) -> None:
    named = set(_TOOL.findall(code_in(document)))
    assert {tool for tool in named if not (ROOT / ".venv/bin" / tool).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_exists(document: str) -> None:
    named = {path for path in _PATH.findall(code_in(document)) if path.split("/")[0] in _ROOTS}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_every_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert described == make_targets()


def test_the_tests_a_make_target_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\btests/[\w./]+", makefile))
    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_continuous_integration_runs_targets_that_exist() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    named = {
        word for line in re.findall(r"^make (.+)$", script, re.MULTILINE) for word in line.split()
    }
    assert {"lint", "types", "imports", "test"} <= named <= make_targets()
