"""The table of limits is whole, its page is fresh, and what it says of tests is so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from adapters.common.limits import CONNECTIONS_BESIDE_STREAMS
from schemas.base import Section
from tests.wardbridge.support import configured, in_process
from wardbridge import limits
from wardbridge.config.load import load
from wardbridge.config.problems import ConfigError
from wardbridge.limits import TABLE, Bounds, LimitRow, reasons_in, rows

ROOT = Path(__file__).parents[2]
MODULES = ("adapters.common.limits", "adapters.hl7v2.limits", "adapters.fhir.limits")


def listed() -> Iterator[LimitRow]:
    for parts in TABLE.values():
        for part in parts:
            yield from rows(part)


def test_the_page_of_limits_is_fresh() -> None:
    page = ROOT / "docs" / "reference" / "limits.md"
    assert page.read_text(encoding="utf-8") == limits.page(), "run: python -m wardbridge.limits"


@pytest.mark.parametrize("name", MODULES)
def test_every_limit_of_a_module_is_in_the_table(name: str) -> None:
    module = import_module(name)
    own = {
        statement.target.id
        for statement in ast.parse(Path(module.__file__ or "").read_text("utf-8")).body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    found = [
        each
        for parts in TABLE.values()
        for part in parts
        if isinstance(part, Bounds) and part.module == name
        for each in part.names
    ]
    assert sorted(found) == sorted(own)


NOT_A_STRANGERS = {
    "adapters.common.settings.MAX_SKEW_S": "of a setting",
    "adapters.common.keys.MAX_SECRET_BYTES": "of our own secret",
    "adapters.hl7v2.times.MAX_OFFSET_MINUTES": "of a setting",
    "adapters.hl7v2.reader.MAX_CHARSET_CHARS": "cuts one of MAX_CHARSETS names, of a message of bounded size",
    "adapters.hl7v2.reader.MAX_DELIMITERS": "the standard's number of them",
    "adapters.hl7v2.header.MOST_ASKED": "how many fields of a line of bounded size are told apart",
    "adapters.hl7v2.lines.MOST_MARKS_BYTES": "how far back a line's beginning is looked for",
    "adapters.elvis.rows.MAX_FIELD_CHARS": "no bound: the file's size is one",
    "bus.kafka.topics.MOST_MESSAGE_BYTES": "what we ask of a broker",
    "wardbridge.api.fhir.subscription.MAX_COUNT": "the address of a parameter",
    "wardbridge.config.wards.MAX_CHARS": "of our own register",
}
"""Constants whose names look like a bound's, and that bound nothing that comes from outside."""
LIKE_A_BOUND = re.compile(r"^(?:MAX|MOST|FARTHEST)_|^LANES$")
PACKAGES = ("adapters", "bus", "router", "schemas", "wardbridge")
OUR_OWN = {"bench", "demo", "cli"}


def constants() -> Iterator[str]:
    """Every numeric constant of the product that is called like a bound: module and name."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            inner = file.relative_to(ROOT).with_suffix("").parts
            if OUR_OWN & set(inner):
                continue
            for statement in ast.parse(file.read_text("utf-8")).body:
                match statement:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name))
                        | ast.Assign(targets=[ast.Name(id=name)])
                    ) if LIKE_A_BOUND.search(name):
                        yield ".".join((*inner, name))


def test_every_constant_that_is_called_like_a_bound_is_in_the_table() -> None:
    told = {
        f"{part.module}.{name}"
        for parts in TABLE.values()
        for part in parts
        if isinstance(part, Bounds)
        for name in part.names
    }
    found = set(constants())
    assert sorted(found - told - NOT_A_STRANGERS.keys()) == []
    assert sorted(NOT_A_STRANGERS.keys() - found) == [], "these are no more"
    assert sorted(NOT_A_STRANGERS.keys() & told) == []


def settings_of(model: type[Section]) -> Iterator[type[Section]]:
    for inner in model.__subclasses__():
        yield inner
        yield from settings_of(inner)


def test_every_key_that_bounds_something_is_in_the_table() -> None:
    told = {
        (part.model.__name__, key)
        for parts in TABLE.values()
        for part in parts
        if isinstance(part, limits.LimitSettings)
        for key in part.keys
    }
    found = {
        (model.__name__, key)
        for model in settings_of(Section)
        if model.__module__.startswith(PACKAGES)
        for key in model.__annotations__
        if key.startswith("max_") or key.endswith("_bytes")
    }
    assert sorted(found - told) == []


def test_every_limit_has_a_value_and_a_reason() -> None:
    assert [row for row in listed() if not (row.value and row.why and row.test)] == []


def test_every_test_that_the_table_names_exists() -> None:
    missing = []
    for row in listed():
        file, _, test = row.test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        if not test or f"def {test}(" not in text:
            missing.append((row.name, row.test))
    assert missing == []


def test_a_reason_is_the_docstring_of_its_constant(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text('A: Final = 1\n"""Because\nof it."""\nB: Final = 2\n', encoding="utf-8")
    assert reasons_in(file) == {"A": "Because of it."}


@pytest.mark.parametrize(
    ("streams", "connections", "is_right"),
    [(4_000, 4_000 + CONNECTIONS_BESIDE_STREAMS, True), (4_000, 4_000 + CONNECTIONS_BESIDE_STREAMS - 1, False),
     (10, 50, True), (11, 50, False)],
)  # fmt: skip
def test_lists_and_probes_have_room_beside_streams(
    streams: int,
    connections: int,
    is_right: bool,  # noqa: FBT001 - a table's column
    tmp_path: Path,
) -> None:
    text = in_process().replace(
        "[http]", f"[http]\nmax_streams = {streams}\nmax_connections = {connections}"
    )
    if is_right:
        load(configured(tmp_path, text), tmp_path, {})
        return
    with pytest.raises(ConfigError, match="max_connections: lists and probes need room"):
        load(configured(tmp_path, text), tmp_path, {})
