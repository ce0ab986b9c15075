"""Inputs with the traits of public bug reports, as they were sent, and what is right for each.

``cases/20…``: the count and the time of two versions contradict each other, or are alike. ``21…``: references
by identifier. ``44…``: a contained resource of a type that does not exist. ``53…``: a client that reads
what it has written.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Final

import pytest

from adapters.common.outcome import InputOutcome
from tests.fhir.lab import Json, bundle, encounter, normaliser
from tests.router.hearing import Router

CASES: Final = Path(__file__).parent / "cases"
RECEIVED_AT: Final = datetime(2026, 3, 2, 10, tzinfo=UTC)
VERSIONS: Final = ["1_v3", "2_v4"]
TIE: Final = ["3_tie_a", "4_tie_b"]


def sent(name: str) -> bytes:
    (path,) = CASES.glob(f"*/{name}.json")
    return path.read_bytes()


def read(payload: bytes, after: int = 0, **profile: object) -> InputOutcome:
    return normaliser(**profile).normalise(payload, RECEIVED_AT + timedelta(seconds=after))


def wards(*outcomes: InputOutcome) -> list[str]:
    """The wards that expect somebody in the end."""
    router = Router()
    for each in outcomes:
        assert each.observations, each
        router.hear_at_once(*each.observations)
    return router.wards


@pytest.mark.parametrize("order", list(permutations(VERSIONS)), ids=str)
def test_the_version_that_the_server_counted_last_is_the_newest(order: tuple[str, ...]) -> None:
    assert wards(*(read(sent(name), after) for after, name in enumerate(order))) == ["W21"]


@pytest.mark.parametrize("order", list(permutations(TIE)), ids=str)
def test_of_two_versions_that_are_alike_the_one_received_last_is_the_newest(
    order: tuple[str, ...],
) -> None:
    newest = {"3_tie_a": "W20", "4_tie_b": "W21"}[order[-1]]
    assert wards(*(read(sent(name), after) for after, name in enumerate(order))) == [newest]


@pytest.mark.parametrize(
    "name", ["transaction", "transaction_location_only", "transaction_with_targets"]
)
def test_a_reference_by_identifier_is_who_and_where(name: str) -> None:
    found = read(sent(name))
    (said,) = found.observations
    assert not found.warnings
    assert [each.value for each in said.patient.identifiers] == ["200105012389"]
    assert said.claims.place is None or said.claims.place.ward == "AKM"
    assert wards(found) == ["W22"]


BY_ID: Json = {"patient": {"by": "id"}, "visit": {"by": "id"}}
STRANGE: Final = "12_fhir_contained_of_unknown_type"


def test_a_contained_resource_of_a_type_that_does_not_exist_is_used_and_counted() -> None:
    found = read(sent(STRANGE), **BY_ID)
    assert (len(found.observations), bool(found.degraded), found.warnings) == (1, True, ())


@pytest.mark.parametrize("kind", ["batch", "transaction", "collection", "searchset", "history"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_it_costs_no_entry_beside_it(kind: str, position: int) -> None:
    subject = {"reference": "Patient/p1"}
    entries = [encounter(id=f"good{n}", subject=subject) for n in range(2)]
    entries.insert(position, json.loads(sent(STRANGE)))
    document = bundle(kind, *entries)
    for entry in document["entry"]:
        entry["request"] = {"method": "PUT", "url": f"Encounter/{entry['resource']['id']}"}
    found = read(json.dumps(document).encode(), **BY_ID)
    assert (len(found.observations), bool(found.degraded)) == (3, True)


def test_an_encounter_of_no_version_is_used_by_its_receipt() -> None:
    assert wards(read(sent("put"), unversioned="receipt")) == ["KIR2"]
