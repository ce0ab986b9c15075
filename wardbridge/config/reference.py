"""The configuration's reference page, rendered from the models: nothing in it is written twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from adapters.common.settings import none_if_empty
from wardbridge.config.kinds import KINDS
from wardbridge.config.models import Settings
from wardbridge.config.problems import is_model

HEAD: Final = """\
# Configuration reference

Generated from the models by `python -m wardbridge.config.reference`; do not edit.

One TOML file. Unknown keys are errors. `${NAME}` in a text stands for an environment variable,
`${file:PATH}` for what is in a file. Relative paths start from the folder given with `--data`.
TOML knows no null: `none` is a key that is left out, or `""` where the type names it, for keys of a profile
that would else keep their default or what the profile's file says.
`wardbridge check` tells every error at once. A complete example is
[deploy/examples/lab.toml](../../deploy/examples/lab.toml).
"""
_WORDS: Final[Mapping[object, str]] = {
    str: "text", SecretStr: "text", bytes: "text", int: "integer", float: "number", bool: "true or false", Path: "path",
    AwareDatetime: "date and time with offset",
}  # fmt: skip


def reference() -> str:
    """The page, in Markdown."""
    parts = [HEAD, *_tables("", Settings)]
    for kind, feed in KINDS.items():
        parts += [f'## Feeds of kind "{kind}"\n', *_tables("feeds.<name>", feed.settings)]
    return "\n".join(parts)


def _tables(path: str, model: type[BaseModel]) -> Iterator[str]:
    plain = {key: field for key, field in _fields(model) if _stands_in_row(field.annotation)}
    if path:
        yield f"### `[{path}]`\n"
        yield f"{cleandoc(model.__doc__ or '')}\n"
    if plain:
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        yield "\n".join(_row(key, field) for key, field in plain.items()) + "\n"
    for key, field in _fields(model):
        inner = _inner(field.annotation)
        if inner is not None:
            yield from _tables(_path(path, key, field.annotation), inner)


def _stands_in_row(kind: object) -> bool:
    """Whether a key has a row: one that has a table of its own only where it has a short form."""
    inner = _inner(kind)
    return inner is None or hasattr(inner, "in_words") or hasattr(inner, "short")


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _path(path: str, key: str, kind: object) -> str:
    named = f"{key}.<name>" if _origin(kind) is Mapping else key
    listed = f"[{path}.{named}]" if _origin(kind) is tuple else f"{path}.{named}"
    return listed.replace("[.", "[").removeprefix(".")


def _row(key: str, field: FieldInfo) -> str:
    kind = type_text(field.annotation) + (' or `""`' if may_be_empty(field) else "")
    cells = (f"`{key}`", kind, _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def may_be_empty(field: FieldInfo) -> bool:
    """Whether an empty text stands for none there."""
    return any(getattr(each, "func", None) is none_if_empty for each in field.metadata)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "none" if value is None else f"`{json.dumps(value, default=_plain, ensure_ascii=False)}`"


def _plain(value: object) -> object:
    return (
        value.model_dump(mode="json", exclude_none=True)
        if isinstance(value, BaseModel)
        else str(value)
    )


def type_text(kind: Any) -> str:  # noqa: ANN401, PLR0911 - any annotation; one line for each sort
    """What may stand there, in words."""
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) is Annotated:
        return type_text(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) in {Union, UnionType}:
        return " or ".join(type_text(part) for part in get_args(kind) if part is not NoneType)
    if hasattr(inner := _inner(kind), "has_table"):
        return str(getattr(inner, "in_words"))  # noqa: B009 - of the models that have it
    if _origin(kind) is Mapping:
        return f"table of {type_text(get_args(kind)[1])}"
    if _origin(kind) is tuple:
        of = get_args(kind)[0]
        return getattr(of, "short", None) or f"list of {type_text(of)}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{member.value}`" for member in kind)
    if is_model(kind):
        return getattr(kind, "in_words", "table")
    return getattr(kind, "__name__", str(kind))


def _inner(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    """The model of the tables that stand under a key, if tables do."""
    if get_origin(kind) in {Union, UnionType}:
        return next((model for part in get_args(kind) if (model := _inner(part))), None)
    if _origin(kind) is Mapping:
        return _inner(get_args(kind)[1])
    if _origin(kind) is tuple:
        return _inner(get_args(kind)[0])
    is_told_in_words = hasattr(kind, "in_words") and not hasattr(kind, "has_table")
    return kind if is_model(kind) and not is_told_in_words else None


def _origin(kind: Any) -> object:  # noqa: ANN401 - any annotation
    origin = get_origin(kind)
    return Mapping if isinstance(origin, type) and issubclass(origin, Mapping) else origin


if __name__ == "__main__":
    from wardbridge.config.doorspage import page as doors_page

    pages = Path(__file__).parents[2] / "docs" / "reference"
    (pages / "config.md").write_text(reference(), encoding="utf-8")
    (pages / "doors.md").write_text(doors_page(), encoding="utf-8")
