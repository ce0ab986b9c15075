"""Where a patient is for a while (the extension ``temporary-location``) fulfils no plan and moves nobody."""

from __future__ import annotations

from itertools import permutations

import pytest

from schemas.observation import Location, Observation
from tests.fhir.lab import Json, at, encounter, outcome
from tests.hl7v2.lab import message
from tests.hl7v2.lab import observed as by_hl7
from tests.router.hearing import Router

URL = "http://hl7.org/fhir/uv/v2mappings/StructureDefinition/temporary-location"
STATUSES = ["active", None]


def meanwhile(ward: str, status: str | None = "active", **more: object) -> Json:
    return at(ward, status, extension=[{"url": URL, "valueBoolean": True}], **more)


def said(*locations: Json, version: int = 1) -> Observation:
    found = outcome(encounter(version, location=list(locations)))
    assert not found.warnings, found
    (observation,) = found.observations
    return observation


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("ward", ["W1", "W2", "W3"], ids=["at home", "where marked", "elsewhere"])
@pytest.mark.parametrize("home", [[], [at("W1")]], ids=["alone", "beside the place"])
def test_a_ward_goes_on_waiting_for_who_is_there_for_a_while(
    ward: str, status: str | None, home: list[Json]
) -> None:
    router = Router()
    router.hear_at_once(said(at("W1"), at("W2", "planned")))
    later = said(*home, at("W2", "planned"), meanwhile(ward, status), version=2)
    router.hear_at_once(later)
    assert router.wards == ["W2"]
    (view,) = router.encounters.values()
    assert (view["place"]["ward"], view["temporary_place"]["ward"]) == ("W1", ward)


@pytest.mark.parametrize("status", STATUSES)
def test_it_makes_no_place_ambiguous(status: str | None) -> None:
    for locations in permutations([at("W1"), meanwhile("W2", status), at("W3", "planned")]):
        claims = said(*locations).claims
        assert (claims.place, claims.temporary_place, claims.mark) == (
            Location(ward="W1"), Location(ward="W2"), Location(ward="W3"),
        )  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_alone_it_leaves_the_place_as_it_was(status: str | None) -> None:
    found = said(meanwhile("W2", status))
    assert not found.claims.says("place")
    assert found.unread == ()
    assert found.claims.temporary_place == Location(ward="W2")


def test_a_state_with_a_place_and_without_one_for_a_while_ends_it() -> None:
    claims = said(at("W1")).claims
    assert claims.says("place")
    assert not claims.says("temporary_place")  # the router ends it with the place


@pytest.mark.parametrize(
    ("status", "period"),
    [
        ("completed", None),
        ("planned", None),
        ("reserved", None),
        ("here", None),
        ("active", {"end": "2026-01-14"}),
        ("active", {"start": "2026-01-17"}),
        (None, {"end": "2026-01-14"}),
    ],
)
def test_one_that_is_not_now_is_nothing(status: str | None, period: Json | None) -> None:
    dated = {"period": period} if period else {}
    claims = said(at("W1"), meanwhile("W2", status, **dated)).claims
    assert claims.place == Location(ward="W1")
    assert claims.mark is None
    assert claims.says("mark")
    assert claims.temporary_place is None


def test_several_wards_at_once_cost_the_temporary_place_only() -> None:
    found = outcome(encounter(location=[at("W1"), meanwhile("W2"), meanwhile("W3")]))
    (observation,) = found.observations
    assert observation.claims.place == Location(ward="W1")
    assert observation.unread == ()
    assert [(each.reason, each.mark_unread) for each in found.warnings] == [
        ("place-ambiguous", False)
    ]


def test_an_extension_that_says_no_is_none() -> None:
    entry = at("W2", extension=[{"url": URL, "valueBoolean": False}])
    assert said(entry).claims.place == Location(ward="W2")


def test_hl7_and_fhir_say_the_same_of_it() -> None:
    tracked = by_hl7(message("A10", {3: "W1", 11: "W2"})).claims
    claims = said(meanwhile("W2")).claims
    for name in ("place", "temporary_place"):
        assert claims.says(name) == tracked.says(name)
        assert getattr(claims, name) == getattr(tracked, name)
