"""Which of several locations is the place and which the mark: the table of ``adapters.fhir.current``."""

from __future__ import annotations

from itertools import permutations, product
from typing import NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.fhir.lab import Json, at, encounter, outcome
from tests.router.hearing import Router

OVER: Json = {"start": "2026-01-14T08:00:00+01:00", "end": "2026-01-15T08:00:00+01:00"}
LASTS: Json = {"start": "2026-01-14T08:00:00+01:00"}
LATER: Json = {"start": "2026-01-16T08:00:00+01:00"}
TODAY: Json = {"start": "2026-01-15", "end": "2026-01-15"}
FROM_TODAY: Json = {"start": "2026-01-15"}
YESTERDAY: Json = {"start": "2026-01-13", "end": "2026-01-14"}
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
OVERDUE = ["planned-location-overdue"]


@pytest.mark.parametrize(
    ("locations", "place", "mark", "doubts"),
    [
        # a former location whose status was never touched again hides nothing
        ([at("A", period=OVER), at("B", period=LASTS)], "B", None, []),
        ([at("A", period=OVER), at("B")], "B", None, []),
        ([at("A", period=OVER), at("B", None)], "B", None, []),
        ([at("A", period=OVER), at("B", period=OVER), at("C", period=LASTS)], "C", None, []),
        ([at("A", "planned", period=OVER), at("B", period=LASTS)], "B", UNREAD, OVERDUE),
        ([at("A", "planned", period=OVER), at("B", "planned")], None, "B", []),
        ([at("A", period=OVER), at("B", "planned")], UNREAD, "B", DOUBT),
        ([at("A", "completed", period=OVER), at("B", "planned")], None, "B", []),
        ([at("A", None, period=OVER), at("B")], "B", None, []),
        ([at("A", "here", period=OVER), at("B")], "B", None, []),
        ([at("A", "reserved", period=OVER), at("B")], "B", None, []),
        ([at("A", period={"end": "soon"}), at("B")], "B", None, []),
        # nothing else is there: what its status says may still be true
        ([at("A", period=OVER)], UNREAD, None, DOUBT),
        ([at("A", "planned", period=OVER)], None, UNREAD, OVERDUE),
        ([at("A", period=OVER), at("B", "planned", period=OVER)], UNREAD, UNREAD, DOUBT + OVERDUE),
        # a plan expires only by itself: where the patient has come, or another plan stands
        ([at("A", "planned", period={"end": "soon"}), at("B")], "B", UNREAD, OVERDUE),
        ([at("A", "planned", period=OVER), at("A")], "A", None, []),
        ([at("A", "planned", period=OVER), at("B"), at("C", "planned")], "B", "C", []),
        # days, months and years: an end includes what it names
        ([at("A", period=TODAY)], "A", None, []),
        ([at("A", None, period=TODAY)], "A", None, []),
        ([at("A", "planned", period=TODAY)], None, "A", []),
        ([at("B"), at("A", "planned", period=TODAY)], "B", "A", []),
        ([at("A", period={"end": "2026-01"})], "A", None, []),
        ([at("A", "planned", period={"end": "2026"})], None, "A", []),
        ([at("A", period={"end": "9999-12-31"})], "A", None, []),
        ([at("A", period={"end": "9999-12-31T23:59:59-05:00"})], "A", None, []),
        ([at("A", period={"end": "2026-01-14"}), at("B")], "B", None, []),
        ([at("A", period={"end": "2025-12"}), at("B")], "B", None, []),
        ([at("A", period={"end": "2025"}), at("B")], "B", None, []),
        ([at("A", "planned", period={"end": "2026-01-14"})], None, UNREAD, OVERDUE),
        ([at("A", None, period={"start": "2026-02"}), at("B")], "B", None, []),
        # a move within one day, by days
        ([at("A", period=TODAY), at("B", period=FROM_TODAY)], "B", None, []),
        ([at("A", None, period=TODAY), at("B", None, period=FROM_TODAY)], "B", None, []),
        ([at("A", period=TODAY), at("B", period=TODAY)], UNREAD, None, ["place-ambiguous"]),
        ([at("A", period=TODAY), at("B", None, period=FROM_TODAY)], "A", None, []),
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


LASTING: list[Json | None] = [
    None, LASTS, FROM_TODAY, {"end": "2026-01-15T13:00:00+01:00"}, {"end": "2026-01-16"},
    {"start": "2026", "end": "2027"}, {"end": "9999-12-31"},
]  # fmt: skip
LAST_DAY: list[Json | None] = [TODAY, {"end": "2026-01"}, {"start": "2026-01", "end": "2026"}]
ENDED: list[Json | None] = [
    OVER, YESTERDAY, {"end": "2025-12"}, {"end": "2025"}, {"end": "soon"},
    {"start": "2026-01-14T08:00:00+01:00", "end": "2026-01-15T11:15:01+01:00"},
]  # fmt: skip
TO_BEGIN: list[Json | None] = [LATER, {"start": "2026-01-16"}, {"start": "2026-02"}]
PERIODS = {"yes": LASTING, "last day": LAST_DAY, "ended": ENDED, "to begin": TO_BEGIN}


class Listed(NamedTuple):
    """One location, by what a reader of the table asks."""

    ward: str
    status: str | None
    lasts: str
    period: Json | None

    @property
    def entry(self) -> Json:
        return at(self.ward, self.status, **({"period": self.period} if self.period else {}))


@st.composite
def listed(draw: st.DrawFn) -> Listed:
    status = draw(st.sampled_from(["planned", "reserved", "active", "completed", "here", None]))
    lasts = draw(st.sampled_from(list(PERIODS)))
    return Listed(draw(st.sampled_from("AB")), status, lasts, draw(st.sampled_from(PERIODS[lasts])))


def mark_by_the_table(entries: list[Listed]) -> object:
    """Written anew from the table of the documentation."""
    planned = [each for each in entries if each.status == "planned"]
    if wards := {each.ward for each in planned if each.lasts != "ended"}:
        return wards.pop() if len(wards) == 1 else UNREAD
    there = {each.ward for each in _there(entries)}
    is_overdue = any(each.ward not in there for each in planned)
    return UNREAD if is_overdue or _may_be_either(entries) else None


def place_by_the_table(entries: list[Listed]) -> object:
    if there := _there(entries):
        wards = {each.ward for each in there}
        return wards.pop() if len(wards) == 1 else UNREAD
    is_outdated = any((each.status, each.lasts) == ("active", "ended") for each in entries)
    return UNREAD if is_outdated or _may_be_either(entries) else None


def _there(entries: list[Listed]) -> list[Listed]:
    for status, lasts in product(("active", None), ("yes", "last day")):
        if found := [each for each in entries if (each.status, each.lasts) == (status, lasts)]:
            return found
    return []


def _may_be_either(entries: list[Listed]) -> bool:
    here = any(each.status == "here" and each.lasts != "ended" for each in entries)
    return here or any((each.status, each.lasts) == ("active", "to begin") for each in entries)


@given(st.lists(listed(), max_size=5), st.permutations(range(5)))
def test_place_and_mark_are_what_the_table_says_in_any_order(
    entries: list[Listed], order: list[int]
) -> None:
    place, mark = place_by_the_table(entries), mark_by_the_table(entries)
    event(f"place {'unread' if place is UNREAD else place and 'said'}")
    event(f"mark {'unread' if mark is UNREAD else mark and 'said'}")
    one = read([each.entry for each in entries])
    other = read([entries[index].entry for index in order if index < len(entries)])
    assert one[:2] == other[:2] == (place, mark)
    assert sorted(one[2]) == sorted(other[2])


@pytest.mark.parametrize("period", [each for kind in PERIODS.values() for each in kind], ids=str)
def test_a_plan_that_was_told_is_taken_back_by_no_period(period: Json | None) -> None:
    """Nothing expires by itself: a ward goes on waiting until somebody says otherwise."""
    router = Router()
    dated = {"period": period} if period else {}
    for version, more in enumerate(({}, dated), 1):
        document = encounter(version, location=[at("A"), at("B", "planned", **more)])
        router.hear_at_once(*outcome(document).observations)
    assert router.wards == ["B"]


@pytest.mark.parametrize("status", ["active", None])
def test_a_zone_says_when_a_day_is_over(status: str | None) -> None:
    """23:30 UTC on the 14th is the 15th in Stockholm, and still the 14th in Reykjavik."""
    meta = {"versionId": "1", "lastUpdated": "2026-01-14T23:30:00Z"}
    document = encounter(meta=meta, location=[at("A", status, period={"end": "2026-01-14"})])
    for zone, is_there in (("Europe/Stockholm", False), ("Atlantic/Reykjavik", True)):
        place = outcome(document, zone=zone).observations[0].claims.place
        assert (place is not None) is is_there


def test_what_is_doubtful_says_what_to_do() -> None:
    for entry, action in (
        (at("A", "here"), "should give it the status"),
        (at("A", period=OVER), "correct one of them"),
        (at("A", "planned", period=OVER), "give it its new time, or end the plan"),
    ):
        (trouble,) = outcome(encounter(location=[entry])).warnings
        assert action in trouble.detail
