"""Authority at one moment, ward by ward, is what the published timeline says it is."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.effective_authority import EffectiveAuthority
from router.core.keys import joined, parted
from schemas.authority import Authority, AuthorityEntry
from tests.router.hearing import Router, authority
from tests.router.saying import REALM, START, Source, minutes

_NAMES = {"ward": ["W1", "W2"], "hospital": ["H1", "H2"], "realm": [""]}
_MINUTES = st.none() | st.integers(0, 5).map(minutes)


@st.composite
def _entries(draw: st.DrawFn) -> AuthorityEntry:
    scope = draw(st.sampled_from(sorted(_NAMES)))
    return AuthorityEntry.model_validate(
        {
            "scope": scope,
            "name": draw(st.sampled_from(_NAMES[scope])),
            "source": draw(st.sampled_from(["ehr", "elvis", "third"])),
            "effective_at": draw(_MINUTES),
        }
    )


@given(st.lists(_entries(), max_size=8))
def test_equal_to_the_published_timeline(entries: list[AuthorityEntry]) -> None:
    timeline = Authority(realm=REALM, entries=tuple(entries))
    for now in (None, *map(minutes, range(-1, 7))):
        believed = EffectiveAuthority(timeline, now)
        for ward in ("W1", "W2", "W3"):
            for hospital in (None, "H1", "H2"):
                assert believed.source(ward, hospital) == timeline.believed(ward, hospital, now)


@given(st.lists(_entries(), max_size=8), st.integers(-1, 6), st.integers(0, 6))
def test_holds_until_something_takes_effect(
    entries: list[AuthorityEntry], start: int, later: int
) -> None:
    timeline = Authority(realm=REALM, entries=tuple(entries))
    believed, at = EffectiveAuthority(timeline, minutes(start)), minutes(start + later)
    new = [e for e in entries if e.effective_at and minutes(start) < e.effective_at <= at]
    assert believed.holds_at(at) == (not new)


def test_a_ward_over_its_hospital_over_the_realm_and_of_equal_times_the_later() -> None:
    timeline = authority("a", "b", "W1=c@06:10", "W1=d@06:10")
    assert EffectiveAuthority(timeline, minutes(9)).source("W1", None) == "b"
    assert EffectiveAuthority(timeline, minutes(10)).source("W1", None) == "d"
    assert EffectiveAuthority(timeline, minutes(10)).source("W2", None) == "b"


def test_a_clock_that_goes_back_changes_nothing() -> None:
    router = Router("ehr", "W=elvis@06:30").hear(Source().a14("W")).tick(minutes(30))
    router.tick(minutes(30) - timedelta(minutes=5)).restart().tick(minutes(31))
    assert router.words == ["W designated marked", "W withdrawn authority-moved"]


@pytest.mark.parametrize("parts", [("a", "b"), ("a|b", "%7C", ""), ("%", "|", "%25|")])
def test_a_key_splits_into_its_parts(parts: tuple[str, ...]) -> None:
    assert tuple(parted(joined(*parts))) == parts


def test_a_clock_that_was_ahead_for_a_moment_moves_no_authority_for_good() -> None:
    router = Router("W1=ehr", "W1=elvis@08:00").tick(minutes(1))
    router.hear(Source("ehr").a14("W1"))
    router.tick(START + timedelta(days=3650))
    router.tick(minutes(5))
    assert router.wards == ["W1"]


def test_a_tick_that_comes_a_little_late_sets_no_clock_back() -> None:
    router = Router("W1=ehr", "W1=elvis@08:00")
    router.hear(Source("ehr").a14("W1"))
    assert router.tick(minutes(300)).wards == []
    assert router.tick(minutes(5)).wards == []
