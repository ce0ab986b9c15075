"""Every value that the reference names can be written in TOML and is what it says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from adapters.common.settings import Section
from wardbridge.config.kinds import KINDS
from wardbridge.config.models import Settings
from wardbridge.config.problems import is_model
from wardbridge.config.reference import may_be_empty, reference


class Key(NamedTuple):
    """A key of the reference: the table it stands in, its name as written, its field."""

    path: str
    name: str
    field: FieldInfo
    model: type[BaseModel]

    def __str__(self) -> str:
        return f"{self.path}.{self.name}"

    @property
    def is_nullable(self) -> bool:
        return NoneType in get_args(self.field.annotation)


def keys(path: str, model: type[BaseModel]) -> Iterator[Key]:
    """Every key below a table, in whatever tables, lists or mappings."""
    for name, field in model.model_fields.items():
        written = field.alias or name
        inner = list(models_in(field.annotation))
        for each in inner:
            yield from keys(f"{path}.{written}".removeprefix("."), each)
        if not inner:
            yield Key(path, written, field, model)


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if is_model(kind):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


KEYS = [*keys("", Settings)]
for kind, feed in KINDS.items():
    KEYS += keys(f"feeds.<{kind}>", feed.settings)
UNIQUE = list({str(key): key for key in KEYS}.values())


def loaded(key: Key, text: str) -> Any:
    """What a line of TOML comes to: through the parser, and all that the key's own field asks."""
    kind: Any = key.field.annotation
    for each in key.field.metadata:
        kind = Annotated[kind, each]
    return TypeAdapter(kind).validate_python(tomllib.loads(f"{key.name} = {text}")[key.name])


def toml(value: object) -> str:
    """A plain value as TOML."""
    match value:
        case bool() | int() | float() | str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            pairs = (f"{json.dumps(k, ensure_ascii=False)} = {toml(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}"
    raise AssertionError(f"{value!r} cannot be written in TOML")


def plain(value: object) -> Any:
    """A value of a model as the file would have it."""
    match value:
        case Enum():
            return value.value
        case Path() | SecretStr():
            return str(value)
        case BaseModel():
            return {k: plain(v) for k, v in value if v is not None}
        case Mapping():
            return {plain(k): plain(v) for k, v in value.items()}
        case tuple() | list() | frozenset():
            return [
                plain(each) for each in (sorted(value) if isinstance(value, frozenset) else value)
            ]
    return value


def documented(kind: Any) -> Iterator[Any]:
    """The values that a type names: what the reference shows as `a` or `b`."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from documented(get_args(kind)[0])
    elif origin in {Union, UnionType}:
        for part in get_args(kind):
            yield from documented(part)
    elif origin is Literal:
        yield from get_args(kind)
    elif kind is bool:
        yield from (True, False)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from (member.value for member in kind)
    elif origin is tuple:
        yield from ([each] for each in documented(get_args(kind)[0]))


def test_every_table_of_the_configuration_is_a_section() -> None:
    assert {key.model for key in KEYS if not issubclass(key.model, Section)} == set()
    assert len(UNIQUE) > 200


@pytest.mark.parametrize("key", UNIQUE, ids=str)
def test_every_documented_value_can_be_written(key: Key) -> None:
    for value in documented(key.field.annotation):
        found = loaded(key, toml(value))
        assert plain(found) == value or isinstance(found, tuple | bytes), (key, value)


@pytest.mark.parametrize("key", UNIQUE, ids=str)
def test_every_default_can_be_written(key: Key) -> None:
    if key.field.is_required():
        return
    default = key.field.get_default(call_default_factory=True, validated_data={})
    if default is None:
        return  # the key is left out
    assert loaded(key, toml(plain(default))) == default


def test_every_default_that_the_page_shows_can_be_written() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .*? \| `(.*?)` \| [^|]*\|$", reference(), re.MULTILINE)
    assert len(rows) > 100
    for name, cell in rows:
        value = json.loads(cell.replace("\\|", "|"))
        assert tomllib.loads(f"{name} = {toml(value)}") == {name: value}


@pytest.mark.parametrize("key", [key for key in UNIQUE if key.is_nullable], ids=str)
def test_none_can_be_written_wherever_leaving_a_key_out_means_something_else(key: Key) -> None:
    """Where a key has another default, and in profiles, since a profile's file may set it."""
    if may_be_empty(key.field):
        assert loaded(key, '""') is None
        return
    assert key.field.default is None, f"{key}: none cannot be written"
    assert ".profile" not in key.path, f"{key}: a profile's file cannot be overruled by none"


def test_what_the_reference_calls_none_is_one() -> None:
    called = [key for key in UNIQUE if re.search(r"(?:^|[;,] )none: ", key.field.description or "")]
    assert len(called) >= 10
    assert [str(key) for key in called if not key.is_nullable] == []


@pytest.mark.parametrize("name", ["ca_file", "client_ca_file", "key_file", "token", "password"])
def test_an_empty_variable_switches_no_protection_off(name: str) -> None:
    """``client_ca_file = "${CA}"`` with an empty variable must not mean that nobody is asked."""
    for key in UNIQUE:
        if key.name != name:
            continue
        try:
            assert loaded(key, '""') is not None
        except ValidationError:
            continue


def test_a_profile_can_switch_off_what_its_file_sets(tmp_path: Path) -> None:
    from tests.wardbridge.support import configured, lab_text  # noqa: PLC0415
    from wardbridge.config.load import load  # noqa: PLC0415

    (tmp_path / "ehr.toml").write_text('visit = { type = "VN", system = "urn:x" }\n')
    own = '[feeds.fhir.profile.visit]\ntype = ""\n\n[feeds.elvis]'
    text = lab_text().replace("[feeds.elvis]", own, 1)
    text = text.replace('kind = "fhir"', 'kind = "fhir"\nprofile_file = "ehr.toml"')
    found = load(configured(tmp_path, text), tmp_path, {})
    (profile,) = (each.settings.profile for each in found.feeds if each.kind == "fhir")  # type: ignore[attr-defined]
    assert (profile.visit.type, profile.visit.system) == (None, "urn:x")
