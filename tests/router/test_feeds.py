"""One statement that several feeds of its source read, each by its own profile: what either can read counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.facts import fact_of
from schemas.observation import Claims, Observation, Protection, Unread
from tests.router.hearing import Router
from tests.router.saying import Source, again, place
from tests.router.test_readings import mute, read_as
from tests.router.test_renumbered import in_visit

SAID = Source().a14("W1")


def by(feed: str, said: Observation) -> Observation:
    """The same as this feed read it."""
    return said.model_copy(update={"feed": feed})


def claiming(feed: str, revision: int, **claims: object) -> Observation:
    changed = {"revision": revision, "feed": feed, "claims": Claims.model_validate(claims)}
    return SAID.model_copy(update=changed)


def at(ward: str, feed: str, revision: int = 1) -> Observation:
    return claiming(feed, revision, mark=place(ward))


CASES: dict[str, tuple[Sequence[Observation], list[str]]] = {
    "one of them is mute": ((at("W1", "b"), by("a", mute(SAID))), ["W1"]),
    "the mute one has read it seven times": ((at("W1", "b"), by("a", mute(SAID, 7))), ["W1"]),
    "two wards: that of the first feed": ((at("W1", "a"), at("W2", "b")), ["W1"]),
    "however often the second read it": ((at("W1", "a"), at("W2", "b", 9)), ["W1"]),
    "the first feed reads it anew": ((at("W1", "a"), at("W2", "b"), at("W3", "a", 2)), ["W3"]),
    "the second feed reads it anew": ((by("a", mute(SAID)), at("W2", "b"), at("W3", "b", 2)), ["W3"]),
    "neither reads it any more": (
        (at("W1", "a"), at("W2", "b"), by("a", mute(SAID, 2)), by("b", mute(SAID, 2))), [],
    ),
    "it is cleared in one": ((claiming("a", 1, mark=None), at("W2", "b")), ["W2"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("restarts", [False, True])
def test_what_either_feed_reads_counts_in_any_order(case: str, restarts: bool) -> None:  # noqa: FBT001
    said, wards = CASES[case]
    for order in permutations(said):
        router = Router()
        for each in order:
            router.hear(each, again(each))
            if restarts:
                router.restart()
        assert router.wards == wards
        told = router.words
        assert router.hear(*order, *map(again, order)).words == told, "nobody is told again"


def test_a_mute_reading_of_another_feed_tells_nobody() -> None:
    router = Router().hear(at("W1", "b"), by("a", mute(SAID, 7)), by("c", mute(SAID, 9)))
    assert router.words == ["W1 designated marked"]


def test_what_one_of_them_protects_is_protected() -> None:
    masked = claiming("b", 1, protection=Protection.PROTECTED)
    plain = claiming("a", 1, mark=place("W1"), protection=Protection.NONE)
    for order in permutations((masked, plain)):
        assert [each.data.protected for each in Router().hear(*order).told][-1]


def test_the_visit_is_that_which_the_first_feed_reads() -> None:
    first, second = by("a", in_visit(SAID, "1@A", 1, "p1")), by("b", in_visit(SAID, "1", 5, "p1"))
    for order in permutations((first, second, by("b", in_visit(SAID, "1@B", 6, "p1")))):
        router = Router().hear(*order).restart()
        assert router.open == {("W1", "ehr", "1@A")}


FEEDS = st.sampled_from("abc")
MUTES: tuple[tuple[Unread, ...], ...] = ((), ("mark",), ("mark", "place"))


@st.composite
def readings(draw: st.DrawFn) -> list[Observation]:
    """Of each feed and revision one reading, received once or again."""
    found: list[Observation] = []
    places = st.sampled_from([None, *map(place, ("W1", "W2"))])
    for feed, revision in draw(st.sets(st.tuples(FEEDS, st.integers(1, 3)), min_size=1)):
        unread = draw(st.sampled_from(MUTES))
        claims = {name: draw(places) for name in draw(st.sets(st.sampled_from(["mark", "place"])))}
        read = read_as(claiming(feed, revision, **claims), revision, *unread)
        patient = Source(patient=draw(st.sampled_from(["p1", "p2"]))).a03().patient
        read = by(feed, read).model_copy(update={"patient": patient})
        found += [read, again(read, draw(st.integers(1, 99)))][: draw(st.integers(1, 2))]
    return found


@given(readings().flatmap(lambda read: st.tuples(st.just(read), st.permutations(read))))
def test_readings_come_to_the_same_in_any_order(
    both: tuple[list[Observation], list[Observation]],
) -> None:
    ends = []
    for read in both:
        fact, *others = map(fact_of, read)
        for other in others:
            fact = fact.told_again(other)
        ends.append((fact, fact.claims.model_fields_set))
    assert ends[0] == ends[1]


@given(readings().flatmap(st.permutations), st.integers(0, 20))
def test_a_restart_between_readings_changes_nothing(read: list[Observation], after: int) -> None:
    straight, restarted = Router().hear(*read), Router().hear(*read[:after]).restart()
    restarted.hear(*read[after:])
    assert restarted.encounters == straight.encounters
    assert restarted.words == straight.words
