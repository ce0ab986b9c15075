"""What the code says to the log gets through: every key that it names is on the list."""

import ast
from collections.abc import Iterator
from pathlib import Path

from wardbridge.observability.logs import ALLOWED_KEYS

ROOT = Path(__file__).parents[2]
PACKAGES = ("adapters", "bus", "router", "schemas", "wardbridge")
LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


def logging_calls() -> Iterator[tuple[str, ast.Call]]:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and is_logging(node.func):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def is_logging(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr in LEVELS
        and "logger" in ast.unparse(called.value)
    )


def test_every_key_that_is_logged_is_allowed() -> None:
    calls = list(logging_calls())
    said = {key.arg: place for place, call in calls for key in call.keywords if key.arg}
    assert len(calls) > 10
    assert {key: place for key, place in said.items() if key not in ALLOWED_KEYS} == {}
