"""The released language is still served, and the checker that says so sees each breach."""

import json
from typing import Any

import pytest

from schemas import documents
from tests.schemas.compatibility import breaches
from tests.schemas.publish import RELEASED_FOLDER

SCHEMA: dict[str, Any] = {
    "$defs": {"Inner": {"type": "object", "properties": {"a": {"type": "string"}}}},
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "size": {"type": "number", "minimum": 1, "maximum": 9},
        "kind": {"type": "string", "enum": ["x", "y"]},
        "type": {"type": "string", "const": "thing"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "inner": {"$ref": "#/$defs/Inner"},
        "many": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        "by_name": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}

BREAKING: dict[str, tuple[str, Any]] = {
    "member removed": ("properties.note", None),
    "inner member removed": ("$defs.Inner.properties.a", None),
    "newly required": ("required", ["id", "kind"]),
    "inner newly required": ("$defs.Inner.required", ["a"]),
    "another type": ("properties.id.type", "integer"),
    "number to integer": ("properties.size.type", "integer"),
    "a type where there was none": ("properties.kind", {"type": "integer"}),
    "null no longer allowed": ("properties.note", {"type": "string"}),
    "code removed": ("properties.kind.enum", ["x"]),
    "another constant": ("properties.type.const", "other"),
    "a constant where there was none": ("properties.id.const", "one"),
    "codes where there were none": ("properties.id.enum", ["one", "two"]),
    "lower bound raised": ("properties.size.minimum", 2),
    "upper bound lowered": ("properties.size.maximum", 8),
    "bound added": ("properties.id.maxLength", 5),
    "format added": ("properties.id.format", "date-time"),
    "pattern added": ("properties.id.pattern", "^a"),
    "items narrowed": ("properties.many.items", {"type": "string"}),
    "unknown members refused": ("additionalProperties", False),
    "values of a map narrowed": ("properties.by_name.additionalProperties", {"type": "integer"}),
}

HARMLESS: dict[str, tuple[str, Any]] = {
    "nothing": ("title", "Thing"),
    "optional member added": ("properties.extra", {"type": "string"}),
    "no longer required": ("required", []),
    "code added": ("properties.kind.enum", ["x", "y", "z"]),
    "codes for a constant": ("properties.type", {"type": "string", "enum": ["thing", "other"]}),
    "null allowed": ("properties.id", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    "bounds widened": ("properties.size", {"type": "number"}),
    "described": ("properties.id.description", "an id"),
    "defined elsewhere": (
        "properties.inner",
        {"type": "object", "properties": {"a": {"type": "string"}}},
    ),
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """SCHEMA with the node at ``path`` replaced, or removed for None."""
    document: dict[str, Any] = json.loads(json.dumps(SCHEMA))
    *parents, last = path.split(".")
    node = document
    for step in parents:
        node = node[step]
    node[last] = value
    if value is None:
        del node[last]
    return document


@pytest.mark.parametrize("case", BREAKING)
def test_the_checker_sees_a_breach(case: str) -> None:
    assert breaches(SCHEMA, changed(*BREAKING[case]))


@pytest.mark.parametrize("case", HARMLESS)
def test_the_checker_lets_a_harmless_change_pass(case: str) -> None:
    assert breaches(SCHEMA, changed(*HARMLESS[case])) == []


def test_the_checker_ends_on_a_schema_that_refers_to_itself() -> None:
    tree = {"$ref": "#/$defs/T", "$defs": {"T": {"properties": {"up": {"$ref": "#/$defs/T"}}}}}
    assert breaches(tree, json.loads(json.dumps(tree))) == []


def released_versions() -> list[str]:
    """Oldest first."""
    names = [folder.name for folder in RELEASED_FOLDER.iterdir()]
    return sorted(names, key=lambda name: tuple(map(int, name.split("."))))


def last_released() -> dict[str, dict[str, Any]]:
    folder = RELEASED_FOLDER / released_versions()[-1]
    return {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in folder.glob("*.schema.json")
    }


def test_no_published_document_disappeared() -> None:
    assert set(last_released()) <= set(documents.PUBLISHED)


@pytest.mark.parametrize("name", sorted(last_released()))
def test_the_models_still_serve_the_last_release(name: str) -> None:
    current = documents.json_schema(name)
    released = last_released()[name]
    if released["$id"] == current["$id"]:  # a new model version is a new document
        assert breaches(released, current) == []
