"""What the documents name exists: make targets, commands, files, links; their notices are valid."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from adapters.common.ward import unresolved
from router.core import reasons as router_reasons
from router.core.step import UNREADABLE
from schemas.documents import json_schema
from schemas.ward import Unresolved
from tests.packaging.project import ROOT, make_targets, tracked_files
from tests.wardbridge.support import command
from wardbridge.config.load import load
from wardbridge.config.wards import read_register
from wardbridge.routing.step import FAULT

DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in tracked_files() if path.suffix == ".md")
ENTRANCES = ("README.md", "CONTRIBUTING.md")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_JSON = re.compile(r"```json\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_COMMAND_START = r"(?:^|[`;$]|&&) *"
_MAKE = re.compile(_COMMAND_START + r"make +([a-z][a-z-]*)", re.MULTILINE)
_WARDBRIDGE = re.compile(
    _COMMAND_START + r"(?:\.venv/bin/)?wardbridge +([a-z][a-z-]*)", re.MULTILINE
)
_TOOL = re.compile(r"\.venv/bin/([a-z-]+)")
_PATH = re.compile(r"(?<![\w./-])((?:[\w.-]+/)+[\w.-]*)")
_OURS = {path.relative_to(ROOT).parts[0] for path in tracked_files()}


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def code_in(document: str) -> str:
    return "\n".join(_CODE.findall(text_of(document)))


def test_the_entrances_name_commands() -> None:
    for document in ENTRANCES:
        assert {"demo", "test"} <= set(_MAKE.findall(code_in(document)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_named_exists(document: str) -> None:
    assert set(_MAKE.findall(code_in(document))) <= make_targets()


def test_every_wardbridge_command_named_exists() -> None:
    named = {name for document in DOCUMENTS for name in _WARDBRIDGE.findall(code_in(document))}
    assert "demo" in named
    helped = {name: command(name, "--help").returncode for name in named}
    assert set(helped.values()) == {0}, helped


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_tool_of_the_environment_named_is_installed(document: str) -> None:
    named = set(_TOOL.findall(code_in(document)))
    assert {tool for tool in named if not (ROOT / ".venv/bin" / tool).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_named_exists(document: str) -> None:
    named = {path for path in _PATH.findall(code_in(document)) if path.split("/")[0] in _OURS}
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_within_the_project_leads_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    assert {link for link in _LINK.findall(text_of(document))
            if not (folder / link).exists()} == set()  # fmt: skip


def test_the_notices_shown_in_the_documents_are_valid() -> None:
    shown = [
        json.loads(block)
        for document in DOCUMENTS
        for block in _JSON.findall(text_of(document))
        if "specversion" in block
    ]
    assert shown
    validator = Draft202012Validator(json_schema("notification"))
    for notice in shown:
        validator.validate(notice)


def test_the_configuration_shown_to_integration_engineers_is_right(tmp_path: Path) -> None:
    """The files as the page shows them: nothing to mend, nothing to be warned of. And the profile
    means the same in a file of its own."""
    page = text_of("docs/integration.md")
    wards, _ = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    whole, with_file, fhir = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    within, profile, after = re.split(r"(?=\[feeds\.hl7\.profile\])|(?=\[feeds\.elvis\])", whole)
    apart = within.partition("[feeds.hl7]")[0] + with_file + "port = 2575\n" + after
    own_file = profile.replace("[feeds.hl7.profile]", "").replace("feeds.hl7.profile.", "")
    for name, text in (
        ("wards.csv", wards), ("ehr.toml", own_file), ("whole.toml", whole), ("apart.toml", apart),
        ("fhir.toml", whole + fhir),
    ):  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = load(tmp_path / "whole.toml", tmp_path)
    assert found.warnings() == []
    assert [feed.identity.name for feed in found.feeds] == ["hl7", "elvis"]
    assert load(tmp_path / "apart.toml", tmp_path).feeds == found.feeds
    with_fhir = load(tmp_path / "fhir.toml", tmp_path, {"FHIR_TOKEN": "opens-nothing-it-is-shown"})
    assert [each for each in with_fhir.warnings() if " is not there" not in each] == []
    assert [feed.kind for feed in with_fhir.feeds] == ["hl7v2-mllp", "elvis-directory", "fhir"]


def test_a_place_is_the_ward_that_the_page_says(tmp_path: Path) -> None:
    page = text_of("docs/integration.md")
    _, shared = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (tmp_path / "wards.csv").write_text(shared, encoding="utf-8")
    register = read_register(tmp_path / "wards.csv")
    table = page.partition("| a place says | it is |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)`(.*?) \| ([\w-]+)(?:: `([\w-]+)`)?", table, re.MULTILINE)
    assert len(rows) == 5
    for code, rest, ward, why in rows:
        names = ["UNHEARD OF" if name == "a" else name for name in re.findall(r"at (\w+)", rest)]
        for name in names or [""]:
            found = register.resolve("ehr", code, [name])
            told = unresolved(found, "").reason if isinstance(found, Unresolved) else found
            assert told == (why or ward), (code, name)


def test_every_reason_of_the_router_is_explained_to_operators() -> None:
    texts = (text for text in vars(router_reasons).values() if isinstance(text, str))
    codes = {text for text in texts if re.fullmatch(r"[a-z]+(?:-[a-z]+)+", text)}
    reasons = codes | {UNREADABLE, FAULT}
    told = set(re.findall(r"^\| `([a-z-]+)` \|", text_of("docs/operating.md"), re.MULTILINE))
    assert told == reasons


def test_every_target_says_what_it_does() -> None:
    makefile = text_of("Makefile")
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert described == make_targets()


def test_the_tests_a_make_target_names_exist() -> None:
    named = set(re.findall(r"\btests/[\w./]+", text_of("Makefile")))
    assert named
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_what_a_campaign_sets_is_read_by_the_tests() -> None:
    named = set(re.findall(r"\b(?:WARDBRIDGE|HYPOTHESIS)_[A-Z]+", text_of("Makefile")))
    read = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "tests").rglob("*.py")
        if path.is_file()
    )
    assert named
    assert {name for name in named if f'"{name}"' not in read} == set()


def test_continuous_integration_runs_targets_that_exist() -> None:
    lines = re.findall(r"^make (.+)$", text_of(".ci/run"), re.MULTILINE)
    named = {word for line in lines for word in line.split()}
    assert {"lint", "types", "imports", "test"} <= named <= make_targets()


def test_the_readme_and_the_makefile_name_the_same_packages_of_debian() -> None:
    named = re.findall(r"sudo apt-get install .+", text_of("README.md"))
    assert named == re.findall(r"sudo apt-get install .+", text_of("Makefile"))


def test_the_changelog_knows_the_version() -> None:
    version = re.search(r'^version = "(.+)"$', text_of("pyproject.toml"), re.MULTILINE)
    assert version
    assert version[1] in text_of("CHANGELOG.md")


def test_the_index_of_the_documentation_has_every_page() -> None:
    pages = {name.removeprefix("docs/") for name in DOCUMENTS if name.startswith("docs/")}
    listed = set(_LINK.findall(text_of("docs/README.md")))
    assert {page for page in pages if not page.startswith("adr/")} - {"README.md"} <= listed


GLOSSARY = re.compile(r"`((?:schemas|adapters|router|wardbridge)\.[\w.]+)`")


@pytest.mark.parametrize("name", sorted(set(GLOSSARY.findall(text_of("docs/glossary.md")))))
def test_what_the_glossary_names_in_code_exists(name: str) -> None:
    """A module, a class or a field: the parts of a name are looked up from the longest module on."""
    parts = name.split(".")
    file = next(n for n in range(len(parts), 0, -1) if _is_module(parts[:n]))
    found: object = import_module(".".join(parts[:file]))
    for part in parts[file:]:
        fields = getattr(found, "model_fields", None) or getattr(found, "__dataclass_fields__", {})
        found = fields[part] if part in fields else getattr(found, part)


def _is_module(parts: list[str]) -> bool:
    path = ROOT.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()
