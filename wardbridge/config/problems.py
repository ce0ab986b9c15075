"""Configuration errors: the file, line and key, what is wrong, and the probable intention."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

Place = tuple[str | int, ...]
_VERBS: Final = (
    "give", "use", "write", "say", "set", "name", "leave", "take", "let", "put", "send", "try", "register",
    "restore", "add", "remove", "make", "keep", "choose", "list", "expect", "correct", "export", "change",
    "call", "clear", "split", "wait", "read", "chmod", "did you mean", "known:", "none is configured",
    "needs", "only",
)  # fmt: skip
_ADVICE: Final = re.compile(rf"[;:,] (?:so )?((?:{'|'.join(_VERBS)})(?!\w).*)$", re.DOTALL)
"""Texts say first what is wrong, then what to do: it begins with one of these."""
_TABLE_WANTED: Final = frozenset({"dict_type", "mapping_type", "model_type", "dataclass_type"})


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One error: the key's place in the file, and what to do about it."""

    place: Place
    text: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = [str(self.file)] if self.file else []
        where += [str(self.line)] if self.line else []
        return ": ".join(part for part in (":".join(where), self.key, self.text) if part)

    @property
    def key(self) -> str:
        """The place as it is written with dots."""
        return ".".join(map(str, self.place))

    @property
    def reason(self) -> str:
        """What is wrong."""
        return self._parted()[0]

    @property
    def suggestion(self) -> str | None:
        """What to do about it, where the text says so after what is wrong."""
        return self._parted()[1]

    def _parted(self) -> tuple[str, str | None]:
        found = _ADVICE.search(self.text)
        return (self.text[: found.start()], found[1]) if found else (self.text, None)


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` has every reason."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def where_paths_start(written: str, data: Path) -> str:
    """To say of a file that is not found: where its relative path starts; nothing of any other."""
    if Path(written).is_absolute() or (data / written).exists():
        return ""
    return f"; {written!r} is looked for in the folder that --data names, here {data.resolve()}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word, or the list of what is known."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(words)}" if words else "none is configured"


def problems_of(
    error: ValidationError, model: type[BaseModel], at: Place = ()
) -> list[ConfigProblem]:
    """Every error of a validation, with suggestions for unknown keys."""
    details = error.errors(include_url=False, include_input=False)
    inner = {  # a list is too short for want of these
        detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))
    }
    return [
        ConfigProblem((*at, *detail["loc"]), _text(dict(detail), model))
        for detail in details
        if not (detail["type"] == "too_short" and detail["loc"] in inner)
    ]


def _text(detail: Mapping[str, Any], model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        *parents, key = detail["loc"]
        return f"unknown key; {did_you_mean(str(key), _keys_at(model, tuple(parents)))}"
    if detail["type"] == "missing":
        return "this key is required"
    if detail["type"] in _TABLE_WANTED:
        return "a table is wanted here, with keys of its own"
    if detail["type"] == "too_short":
        return "at least one is needed"
    return str(detail["msg"]).removeprefix("Value error, ")


def _keys_at(model: type[BaseModel], place: Place) -> set[str]:
    """The keys that the table at a place may have."""
    found: Any = model
    for part in place:
        found = _inside(found, str(part))
    models = [kind for kind in _alternatives(found) if is_model(kind)]
    return {key for kind in models for key in fields_by_key(kind)}


def _inside(kind: Any, key: str) -> Any:  # noqa: ANN401 - any annotation
    for candidate in _alternatives(kind):
        if is_model(candidate):
            return fields_by_key(candidate).get(key)
        if arguments := get_args(candidate):  # a mapping's values, a tuple's members
            return arguments[1] if issubclass(get_origin(candidate), Mapping) else arguments[0]
    return None


def fields_by_key(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a model as written in the file, with their annotations."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    """Whether an annotation is a table with keys of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any annotation
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
