"""What goes into an installation: the pinned set beside the wheel."""

import re
import tomllib

from tests.packaging.project import ROOT

_PIN = re.compile(r"^([a-z0-9.\-]+)==(\S+?)(?: ; .*)? \\$", re.MULTILINE)
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    return {each[1]: each[2] for each in _PIN.finditer(text_of(name))}


def test_what_is_installed_is_what_was_tested() -> None:
    tested, installed = pins("constraints.txt"), pins("deploy/requirements.txt")
    assert len(installed) > 20
    assert {
        name: version for name, version in installed.items() if tested.get(name) != version
    } == {}


def test_every_dependency_is_pinned_with_hashes_and_nothing_else_stands_there() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    needed = {re.split(r"[\[<>=~]", each)[0].replace(".", "-") for each in project["dependencies"]}
    assert needed - set(pins("deploy/requirements.txt")) == set()
    lines = text_of("deploy/requirements.txt").splitlines()
    assert [each for each in lines if not _HASH.match(each) and not _PIN.match(each)] == []


def test_tools_of_development_are_not_installed() -> None:
    assert {"pytest", "mypy", "ruff", "hatchling"} & set(pins("deploy/requirements.txt")) == set()
