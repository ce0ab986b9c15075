"""Which of several locations is the place and which the mark: the table of ``adapters.fhir.current``."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.fhir.lab import Json, at, encounter, outcome

OVER: Json = {"start": "2026-01-14T08:00:00+01:00", "end": "2026-01-15T08:00:00+01:00"}
LASTS: Json = {"start": "2026-01-14T08:00:00+01:00"}
LATER: Json = {"start": "2026-01-16T08:00:00+01:00"}
TEMPORARY = [{"url": "http://hl7.org/x/temporary-location", "valueBoolean": True}]
UNREAD = object()


def read(locations: list[Json], status: str = "in-progress") -> tuple[object, object, list[str]]:
    """Place and mark (:data:`UNREAD` where they are not said), and the doubts."""
    found = outcome(encounter(status=status, location=locations))
    (said,) = found.observations
    claims = said.claims
    place = (claims.place and claims.place.ward) if claims.says("place") else UNREAD
    mark = (claims.mark and claims.mark.ward) if claims.says("mark") else UNREAD
    assert ("place" in said.unread) == (place is UNREAD)
    assert ("mark" in said.unread) == (mark is UNREAD)
    return place, mark, [each.reason for each in found.warnings]


DOUBT = ["location-status-unknown"]


@pytest.mark.parametrize(
    ("locations", "place", "mark", "doubts"),
    [
        # a former location whose status was never touched again hides nothing
        ([at("A", period=OVER), at("B", period=LASTS)], "B", None, []),
        ([at("A", period=OVER), at("B")], "B", None, []),
        ([at("A", period=OVER), at("B", None)], "B", None, []),
        ([at("A", period=OVER), at("B", period=OVER), at("C", period=LASTS)], "C", None, []),
        ([at("A", "planned", period=OVER), at("B", period=LASTS)], "B", None, []),
        ([at("A", "planned", period=OVER), at("B", "planned")], None, "B", []),
        ([at("A", period=OVER), at("B", "planned")], UNREAD, "B", DOUBT),
        ([at("A", "completed", period=OVER), at("B", "planned")], None, "B", []),
        ([at("A", None, period=OVER), at("B")], "B", None, []),
        ([at("A", "here", period=OVER), at("B")], "B", None, []),
        ([at("A", "reserved", period=OVER), at("B")], "B", None, []),
        ([at("A", period={"end": "soon"}), at("B")], "B", None, []),
        # nothing else is there: what its status says may still be true
        ([at("A", period=OVER)], UNREAD, None, DOUBT),
        ([at("A", "planned", period=OVER)], None, UNREAD, DOUBT),
        ([at("A", period=OVER), at("B", "planned", period=OVER)], UNREAD, UNREAD, DOUBT * 2),
        # what is still to begin
        ([at("A", period=LASTS), at("B", period=LATER)], "A", UNREAD, DOUBT),
        ([at("B", period=LATER)], UNREAD, UNREAD, DOUBT),
        ([at("A"), at("B", "planned", period=LATER)], "A", "B", []),
        ([at("B", None, period=LATER), at("A")], "A", None, []),
        # what cannot be told hides nothing that can
        ([at("A"), at("B", "here")], "A", UNREAD, DOUBT),
        ([at("A", "planned"), at("B", "here")], UNREAD, "A", DOUBT),
        ([at("A"), at("C", "planned"), at("B", "here")], "A", "C", DOUBT),
        ([at("A"), {"status": [], "location": {}}], "A", UNREAD, ["element-of-wrong-type"]),
        ([at("A"), at("B", "active", period=[])], "A", UNREAD, ["element-of-wrong-type"]),
        # others
        ([at("A", "completed"), at("B", "reserved")], None, None, []),
        ([at("A", "planned", extension=TEMPORARY), at("B")], "B", None, []),
        ([at("A"), at("B")], UNREAD, None, ["place-ambiguous"]),
        ([], None, None, []),
    ],
)  # fmt: skip
def test_a_location_is_what_status_and_period_say(
    locations: list[Json], place: object, mark: object, doubts: list[str]
) -> None:
    orders = list(permutations(locations)) if len(locations) <= 3 else [tuple(locations)]
    for order in orders:
        assert read(list(order)) == (place, mark, doubts), order


def test_a_period_without_start_begins_with_the_encounter() -> None:
    start = {"start": "2026-01-16T08:00:00+01:00"}
    found = outcome(encounter(location=[at("A")], period=start))
    assert not found.observations[0].claims.says("place")
    assert [each.reason for each in found.warnings] == DOUBT
    mark = outcome(encounter(location=[at("A", "planned")], period=start)).observations[0].claims
    assert mark.mark is not None


@pytest.mark.parametrize("period", [{}, {"start": "2026-01-16T08:00:00+01:00"}], ids=str)
def test_of_a_planned_encounter_what_has_no_status_is_neither(period: Json) -> None:
    for entry in (at("A", None), at("A", None, period=period)):
        found = outcome(encounter(status="planned", location=[entry], period=period))
        claims = found.observations[0].claims
        assert (claims.says("place"), claims.says("mark")) == (False, False)
        assert [each.reason for each in found.warnings] == DOUBT


def test_locations_that_are_no_list_cost_place_and_mark_and_nothing_else() -> None:
    found = outcome(encounter(location=at("A")))
    (said,) = found.observations
    assert set(said.unread) == {"place", "mark"}
    assert said.claims.visit_class == "I"
    assert [each.reason for each in found.warnings] == ["element-of-wrong-type"]


ENTRIES = st.builds(
    lambda ward, status, period: at(ward, status, **({"period": period} if period else {})),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["planned", "reserved", "active", "completed", "here", None]),
    st.sampled_from([None, OVER, LASTS, LATER]),
)


@given(st.lists(ENTRIES, max_size=5), st.permutations(range(5)))
def test_the_order_of_locations_decides_nothing(entries: list[Json], order: list[int]) -> None:
    shuffled = [entries[index] for index in order if index < len(entries)]
    one, other = read(entries), read(shuffled)
    event(f"place {'unread' if one[0] is UNREAD else 'said'}")
    assert one[:2] == other[:2]
    assert sorted(one[2]) == sorted(other[2])


@given(st.lists(ENTRIES, max_size=5))
def test_a_patient_is_placed_only_where_a_lasting_location_says_so(entries: list[Json]) -> None:
    place, mark, _ = read(entries)
    lasting = {
        each["location"]["reference"].removeprefix("Location/")
        for each in entries
        if each.get("status") in {"active", None} and each.get("period", LASTS) == LASTS
    }
    planned = {
        each["location"]["reference"].removeprefix("Location/")
        for each in entries
        if each.get("status") == "planned" and each.get("period") != OVER
    }
    event(f"{'placed' if place in lasting else 'not placed'}")
    assert place in {None, UNREAD, *lasting}
    assert mark in {None, UNREAD, *planned}
