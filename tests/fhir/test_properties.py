"""Properties: nothing raises, versions are in one order however they arrive, newest wins.

Each says how many cases it really asserted (``pytest -s`` shows it with
``--hypothesis-show-statistics``).
"""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.outcome import Verdict
from router.core.facts import fact_of
from router.core.visit import folded
from schemas.encounter import EncounterView
from schemas.observation import Observation, What
from tests.fhir.lab import RECEIVED_AT, Json, at, bundle, encounter, normaliser, observed

WARDS = st.sampled_from(["A", "B", "C"])
LIVING = st.sampled_from(["planned", "arrived", "in-progress", "onleave"])
ANY = st.sampled_from(["planned", "in-progress", "onleave", "finished", "cancelled"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def _versions(draw: st.DrawFn, statuses: st.SearchStrategy[str] = ANY) -> list[Json]:
    count = draw(st.integers(2, 5))
    return [
        encounter(
            number,
            status=draw(statuses),
            location=[
                *draw(st.lists(WARDS.map(at), max_size=1)),
                *draw(st.lists(WARDS.map(lambda ward: at(ward, "planned")), max_size=1)),
            ],
        )
        for number in range(1, count + 1)
    ]


def _view(observations: list[Observation]) -> EncounterView:
    return folded(map(fact_of, observations)).view("ehr", "V1")


@given(_versions(), st.randoms(use_true_random=False))
def test_versions_end_in_the_same_view_in_whatever_order_and_however_often_they_arrive(
    versions: list[Json], random: Any
) -> None:
    said = [observed(each) for each in versions]
    arrivals = said + random.choices(said, k=2)
    random.shuffle(arrivals)
    event(f"{len(arrivals)} arrivals")
    assert _view(arrivals) == _view(said)


@given(_versions(LIVING))
def test_the_newest_version_is_what_the_view_says(versions: list[Json]) -> None:
    said = [observed(each) for each in versions]
    view, newest = _view(said), said[-1].claims
    event("marked" if newest.mark else "not marked")
    assert said[-1].what is What.DESCRIBED
    assert view.place == newest.place
    assert (view.mark.to if view.mark else None) == newest.mark
    assert view.on_leave == newest.on_leave


@given(st.binary(max_size=200))
def test_any_bytes_have_an_outcome_with_a_reason(payload: bytes) -> None:
    found = normaliser().normalise(payload, RECEIVED_AT)
    event(found.reason)
    assert found.verdict in {Verdict.REVIEW, Verdict.IGNORED}


def _places(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    found = [here] if here else []
    for key, value in inner if isinstance(node, dict | list) else ():
        found += _places(value, (*here, key))
    return found


def _whole() -> Json:
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}]}
    ward = {"resourceType": "Location", "id": "W", "identifier": [{"value": "W"}]}
    kind = {"coding": [{"code": "ADM"}]}
    stay = encounter(
        subject={"reference": "Patient/p"},
        serviceProvider={"reference": "Organization/W"},
        participant=[{"type": [kind], "individual": {"identifier": {"value": "D"}}}],
        location=[at("W", "planned", period={"start": "2026-01-15T14:00:00Z"}), at("V")],
        period={"start": "2026-01-15T09:00:00Z"},
    )
    return bundle("transaction", patient, ward, stay, timestamp="2026-01-15T10:00:00Z")


@given(st.data())
def test_any_change_to_a_good_bundle_has_an_outcome_with_a_reason(data: st.DataObject) -> None:
    document = copy.deepcopy(_whole())
    place = data.draw(st.sampled_from(_places(document)))
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(JSON)
    found = normaliser().normalise(json.dumps(document).encode(), RECEIVED_AT)
    event(f"{found.verdict.value} {found.reason}")
    assert found.reason
    assert found.verdict is not Verdict.ACCEPTED or found.observations
