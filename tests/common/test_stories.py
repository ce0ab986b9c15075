"""Every golden story of messages and resources comes out as written, and no fixture is an orphan."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from adapters.common.outcome import InputOutcome
from tests.fhir import golden as fhir
from tests.hl7v2 import golden as hl7v2
from tests.support.golden import Stories, expectation, written, wrongly_explained


class Adapter(NamedTuple):
    """Its stories, how one input is read, and how many there are at least."""

    stories: Stories
    outcome_of: Callable[..., InputOutcome]
    inputs: int


ADAPTERS: Final = (
    Adapter(hl7v2.STORIES, hl7v2.outcome_of, 39),
    Adapter(fhir.STORIES, fhir.outcome_of, 73),
)
EACH: Final = [
    pytest.param(adapter, path, id=f"{path.parent.name}/{path.stem}")
    for adapter in ADAPTERS
    for path in adapter.stories.inputs()
]


@pytest.mark.parametrize(("adapter", "path"), EACH)
def test_an_input_comes_out_as_written(adapter: Adapter, path: Path) -> None:
    assert written(adapter.outcome_of(path)) == expectation(path).read_text(encoding="utf-8")


@pytest.mark.parametrize(("adapter", "path"), EACH)
def test_every_value_is_explained_and_asking_changes_nothing(adapter: Adapter, path: Path) -> None:
    explained = adapter.outcome_of(path, explain=True)
    assert wrongly_explained(explained) == []
    assert replace(explained, origins=()) == adapter.outcome_of(path)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.stories.kind)
def test_every_fixture_has_its_place(adapter: Adapter) -> None:
    assert adapter.stories.faults() == []
    assert len(adapter.stories.inputs()) >= adapter.inputs


def test_a_repetition_under_another_control_id_is_the_same_observation() -> None:
    ids = [
        json.loads(hl7v2.played(path))["observations"][0]["id"]
        for path in hl7v2.STORIES.inputs("the_move_was_wrong")
    ]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 3
