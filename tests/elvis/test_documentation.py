"""The documented format is the one that is read, and names every setting and reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from adapters.common.identity import PATIENT_UNREADABLE
from adapters.common.text import TEXT_CLEANED, TEXT_UNREADABLE
from adapters.elvis.format import Columns, ExportFormat, Markers
from adapters.elvis.outcomes import outcomes
from adapters.elvis.settings import ElvisSettings, Guards, Scope, Watching
from schemas.observation import Protection
from tests.elvis.exports import context

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "elvis-export.md").read_text(encoding="utf-8")
MODELS: list[type[BaseModel]] = [
    Columns, Markers, ExportFormat, ElvisSettings, Guards, Scope, Watching,
]  # fmt: skip
UNLISTED = {
    "format", "guards", "watching", "name", "hospital", "wards", "count", "exported_at",
    "remember_files", "remember_ended_days", "look_s",
}  # fmt: skip
"""Settings that the generated reference explains, and no reader of the page needs."""


def test_the_example_file_is_read_without_a_warning() -> None:
    example = PAGE.split("```")[1].lstrip("\n").encode("windows-1252")
    told = [
        one for _, one in outcomes(example, "x.csv", datetime(2026, 3, 3, tzinfo=UTC), context())
    ]
    assert [one.reason for one in told] == ["place-vacant", "accepted", "place-vacant", "accepted"]
    assert told[3].observations[0].claims.protection is Protection.CONFIDENTIAL


def test_every_setting_is_named() -> None:
    settings = {name for model in MODELS for name in model.model_fields} - UNLISTED
    assert {name for name in settings if f"`{name}`" not in PAGE} == set()


def test_every_column_of_the_reference_format_stands_in_the_table() -> None:
    for field, column in Columns().named().items():
        assert f"| `{field}` | {column} |" in PAGE


def test_every_reason_is_named_and_every_reason_named_exists() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", PAGE)) - {"windows-1252"}
    given = set(_reasons()) | {"shrunk", PATIENT_UNREADABLE, TEXT_CLEANED, TEXT_UNREADABLE}
    assert named <= given
    assert {reason for reason in given if f"`{reason}`" not in PAGE} == set()


def _reasons() -> Iterator[str]:
    code = [*(ROOT / "adapters" / "elvis").glob("*.py"), ROOT / "schemas" / "identifiers.py"]
    code.append(ROOT / "adapters" / "common" / "ward.py")
    for path in code:
        for literal in re.findall(r'"([a-z]+(?:-[a-z0-9]+)+)"', path.read_text(encoding="utf-8")):
            if literal not in _NO_REASONS:
                yield literal


_NO_REASONS = {
    "windows-1252", "utf-8", "utf-8-sig", "file-known", "place-vacant",
    "nationellt-reservnummer", "vgr-reservnummer", "utf-7", "raw-unicode-escape",
}  # fmt: skip


def test_every_setting_has_a_description() -> None:
    for model in MODELS:
        assert all(field.description for field in model.model_fields.values()), model


@pytest.mark.parametrize("model", MODELS)
def test_unknown_keys_are_forbidden(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        model.model_validate({"nonsense": 1})


WRONG: list[tuple[type[BaseModel], dict[str, object], str]] = [
    (ExportFormat, {"charset": "ebcdic-swedish"}, "no charset"),
    (ExportFormat, {"zone": "Europe/Boras"}, "is no time zone"),
    (ExportFormat, {"columns": {"room": "Plats"}}, "stand for two fields"),
    (
        ElvisSettings,
        {"directory": "x", "scopes": [{"name": "a", "hospital": "H", "wards": ["1"]}] * 2},
        "two scopes have the same name",
    ),
]


@pytest.mark.parametrize(("model", "told", "says"), WRONG)
def test_what_is_wrong_in_the_configuration_is_said(
    model: type[BaseModel], told: dict[str, object], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        model.model_validate(told)
