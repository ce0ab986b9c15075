"""Of a history the newest version stands first, where nothing else tells which is newer."""

from __future__ import annotations

import pytest

from tests.fhir.lab import Json, at, bundle, encounter, outcome
from tests.router.hearing import Router

AT = "2026-01-15T11:15:00+01:00"
UNTIMED: list[Json | None] = [{"lastUpdated": AT}, {"lastUpdated": AT, "versionId": "a"}, None]
STATUS: Json = {"resourceType": "SubscriptionStatus", "type": "event-notification"}


def version(ward: str | None, meta: Json | None) -> Json:
    return encounter(meta=meta, location=[at(ward, "planned")] if ward else [])


def wards(document: Json) -> list[str]:
    router = Router()
    router.hear_at_once(*outcome(document, unversioned="receipt").observations)
    return router.wards


@pytest.mark.parametrize("meta", UNTIMED, ids=["time", "uncounted", "nothing"])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("newest", [None, "W2"])
def test_the_first_entry_of_a_history_is_the_newest(
    newest: str | None, size: int, meta: Json | None
) -> None:
    older = [version("W8", meta), version("W9", meta)][: size - 1]
    assert wards(bundle("history", version(newest, meta), *older)) == ([newest] if newest else [])


@pytest.mark.parametrize("meta", UNTIMED, ids=["time", "uncounted", "nothing"])
@pytest.mark.parametrize("kind", ["batch", "collection", "searchset", "transaction"])
def test_of_any_other_bundle_the_last_is(kind: str, meta: Json | None) -> None:
    document = bundle(kind, version("W8", meta), version("W2", meta))
    for each in document["entry"] if kind in {"batch", "transaction"} else ():
        each["request"] = {"method": "PUT", "url": "Encounter/e1"}
    assert wards(document) == ["W2"]


@pytest.mark.parametrize("meta", UNTIMED, ids=["time", "uncounted", "nothing"])
def test_a_notification_tells_in_order(meta: Json | None) -> None:
    document = bundle("history", STATUS, version("W8", meta), version("W2", meta))
    assert wards(document) == ["W2"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_versions_that_are_counted_or_timed_sort_by_that(order: tuple[int, int]) -> None:
    stays = [encounter(each, location=[at(f"W{each}", "planned")]) for each in order]
    assert wards(bundle("history", *stays)) == ["W2"]


def test_what_withholds_or_costs_a_value_says_what_to_do() -> None:
    nobody = outcome(encounter(subject={"reference": "Patient/p"}))
    assert 'patient.by = "id"' in nobody.detail
    (place,) = outcome(encounter(location=[{"status": "active"}])).warnings
    assert "send the ward too" in place.detail
    time = outcome(encounter(meta={"lastUpdated": "soon"}))
    assert "write 2026-" in time.detail
