"""The table of limits is whole, its page is fresh, and what it says of tests is so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from adapters.common.limits import CONNECTIONS_BESIDE_STREAMS
from tests.wardbridge.support import configured, in_process
from wardbridge import limits
from wardbridge.config.load import load
from wardbridge.config.problems import ConfigError
from wardbridge.limits import TABLE, Bounds, Row, reasons_in, rows

ROOT = Path(__file__).parents[2]
MODULES = ("adapters.common.limits", "adapters.hl7v2.limits", "adapters.fhir.limits")


def listed() -> Iterator[Row]:
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


def test_every_limit_has_a_value_and_a_reason() -> None:
    assert [row for row in listed() if not (row.value and row.why and row.test)] == []


def test_every_test_that_the_table_names_exists() -> None:
    missing = []
    for row in listed():
        file, _, test = row.test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        if not text or f"def {test}" not in text:
            missing.append(row.test)
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
