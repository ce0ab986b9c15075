"""Versions whose count and time contradict each other: the server's count decides, in any order of arrival."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.feed import FeedIdentity
from adapters.fhir.mapping import FhirNormaliser
from adapters.fhir.profile import FhirProfile
from router.core.facts import fact_of, parsed, row_of
from router.core.held_visit import Visit
from router.core.versions import CLOCKS_DIFFER_BY
from schemas.observation import Observation
from tests.fhir.lab import KEYER, OPEN, Json, at, encounter
from tests.router.hearing import Router

T0 = datetime(2026, 1, 15, 9, 15, tzinfo=UTC)
RECEIVED_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
MOST = timedelta(microseconds=CLOCKS_DIFFER_BY)


def version(
    number: int | str, after: timedelta, ward: str, *, feed: str = "fhir", **more: object
) -> Observation:
    meta = {"versionId": str(number), "lastUpdated": (T0 + after).isoformat()}
    document: Json = encounter(meta=meta, location=[at(ward, "planned")], **more)
    reader = FhirNormaliser(FeedIdentity(feed, "ehr", "region"), FhirProfile(), OPEN, KEYER)
    (said,) = reader.normalise(json.dumps(document).encode(), RECEIVED_AT).observations
    return said


def marked(said: list[Observation], *, restarted: bool = False) -> str:
    visit = Visit("ehr", "V1")
    for each in said:
        fact = fact_of(each)
        is_new = visit.known(fact.id) is None
        visit.fold()
        visit.hold(fact)
        visit.take(fact, is_new=is_new)
        if restarted:
            rows = [row_of(fact) for fact in visit.facts()]
            visit = Visit("ehr", "V1")
            for row in rows:
                visit.restore(row_of(parsed(row)))
    mark = visit.fold().mark
    assert mark is not None
    return mark.ward


SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        ([(3, 2 * SECOND), (4, 1 * SECOND)], 4),  # case 20
        ([(3, 2 * SECOND), (4, 1 * SECOND), (5, 1.5 * SECOND)], 5),
        ([(9, 3 * SECOND), (10, 2 * SECOND), (11, 1 * SECOND)], 11),  # counted, not as texts
        ([(1, 0 * SECOND), (2, -MOST)], 2),
        ([(1, 0 * SECOND), (2, -MOST - SECOND)], 1),  # no matter of clocks
        ([(1, 0 * SECOND), (2, SECOND), (3, 2 * SECOND)], 3),
        ([(7, -24 * HOUR), (8, -23 * HOUR), (1, 0 * SECOND), (2, HOUR)], 2),  # counted anew
        ([(2, 0 * SECOND), (2, SECOND)], 2),
        ([(1, 0 * SECOND), (4, -SECOND), (2, HOUR), (3, 2 * HOUR)], 3),  # 4 is hours apart from 2
    ],
)
def test_the_count_decides_where_times_differ_as_clocks_do(
    versions: list[tuple[int, timedelta]], newest: int
) -> None:
    said = [version(number, after, f"W{number}") for number, after in versions]
    for order in permutations(said):
        assert marked(list(order)) == f"W{newest}"
        assert marked(list(order), restarted=True) == f"W{newest}"


@given(
    st.lists(st.integers(-120, 120), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_within_the_differences_of_clocks_the_highest_count_is_the_newest(
    skews: list[int],
    random: Random,
    restarted: bool,  # noqa: FBT001 - drawn
) -> None:
    said = [
        version(number, number * SECOND + skew * SECOND, f"W{number}")
        for number, skew in enumerate(skews, 1)
    ]
    arrivals = [*said, *random.choices(said, k=2)]
    random.shuffle(arrivals)
    times = [each.stamp.at for each in said]
    event("contradicting" if times != sorted(times) else "agreeing")
    assert marked(arrivals, restarted=restarted) == f"W{len(skews)}"


STATEMENTS = st.builds(
    version,
    st.integers(1, 6) | st.just("a7"),
    st.integers(-1_000, 1_000).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from(["A", "B", "C"]),
    feed=st.sampled_from(["fhir", "other"]),
    id=st.sampled_from(["e1", "e2", None]),
)


@given(st.lists(STATEMENTS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_no_order_of_arrival_decides_anything(said: list[Observation], random: Random) -> None:
    shuffled = list(said)
    random.shuffle(shuffled)
    assert marked(shuffled) == marked(said)
    assert marked(shuffled, restarted=True) == marked(said)


@pytest.mark.parametrize(
    "other",
    [
        {"feed": "another"},  # another server, as far as anybody knows
        {"id": "e2"},  # another Encounter of the visit
        {"id": None},
    ],
    ids=str,
)
def test_counts_of_two_series_say_nothing_of_each_other(other: dict[str, str | None]) -> None:
    feed = other.pop("feed", None) or "fhir"
    said = [version(9, 0 * SECOND, "OLD"), version(3, SECOND, "NEW", feed=feed, **other)]
    assert [marked(list(order)) for order in permutations(said)] == ["NEW", "NEW"]


def test_versions_that_do_not_count_go_by_their_time() -> None:
    said = [version("b-9", 2 * SECOND, "NEW"), version("a-10", SECOND, "OLD")]
    assert [marked(list(order)) for order in permutations(said)] == ["NEW", "NEW"]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_contradiction_is_told_once_and_the_rest_is_not(order: tuple[int, ...]) -> None:
    said = [version(3, 2 * SECOND, "A"), version(4, SECOND, "B"), version(5, 9 * SECOND, "B")]
    router = Router()
    for index in (*order, *order):
        router.hear(said[index])
    items = {item.id: item for item in router.review}
    assert [item.reason for item in items.values()] == ["versions-contradict"]
    assert not any(item.withheld or item.mark_unread for item in items.values())
    assert router.wards == ["B"]
    assert router.restart().hear(*said).wards == ["B"]
