"""Whose a visit is where a server's count and its clocks disagree: one order for that and for the fold."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given, settings

from router.core import reasons
from schemas.observation import Observation
from tests.router.any_facts import Teller
from tests.router.hearing import Router
from tests.router.saying import REALM, START, Source, minutes
from tests.router.test_identity import patients
from tests.router.test_invariants import RANDOMS, Tally, assert_incremental_is_refold, in_some_order


def counted(said: Observation, version: int, series: str | None = "s1") -> Observation:
    """The same as a version that a server counts."""
    stamp = said.stamp.model_copy(update={"sequence": version, "series": series})
    return said.model_copy(update={"stamp": stamp})


def corrects(said: Observation) -> Observation:
    return said.model_copy(update={"corrects_patient": True})


def foreign(router: Router) -> set[str]:
    visits = router.state.realm(REALM).visits.values()
    return set[str]().union(*(visit.foreign for visit in visits))


def test_the_first_version_says_whose_the_visit_is_though_the_second_bears_an_earlier_time() -> (
    None
):
    first = counted(Source(patient="A").row("X", "W1", at=minutes(2)), 1)
    second = counted(Source(patient="B").row("X", "W2", at=minutes(2) - timedelta(seconds=2)), 2)
    for order in ((first, second), (second, first)):
        router = Router().hear(*order)
        assert (router.wards, patients(router)) == (["W1"], {"ehr|v1": "A"})
        assert foreign(router) == {second.id}
        assert reasons.VISIT_OF_ANOTHER in {item.reason for item in router.review}


def test_a_version_about_somebody_else_shows_too_how_far_the_clocks_differ() -> None:
    """The third is no earlier than the second, whose time is later, though that one counts as nothing."""
    s = Source(patient="A")
    said = [
        counted(s.row("X", "W1", at=minutes(1)), 1),
        counted(s.of("B").row("X", "W2", at=minutes(4)), 2),
        counted(corrects(s.of("C").row("X", "W3", at=minutes(2))), 3),
        s.of("A").a08(at=minutes(3)),
    ]
    for order in (said, said[::-1]):
        router = Router().hear(*order)
        assert patients(router) == {"ehr|v1": "C"}
        assert foreign(router) == {said[1].id}


def some(random: Random) -> list[Observation]:
    """A few statements about one visit and several patients, some of them counted."""
    teller = Teller(random, patients=3)
    return [
        counted(teller.observe(), random.randrange(6), random.choice((None, "s1", "s1", "s2")))
        for _ in range(random.randint(2, 8))
    ]


def test_no_order_of_arrival_decides_whose_a_visit_is_and_what_counts() -> None:
    tally = Tally("whose")

    @settings(max_examples=5 * settings().max_examples)
    @given(RANDOMS)
    def holds(random: Random) -> None:
        said = some(random)
        until = START + timedelta(seconds=random.randint(0, 1500))
        straight = Router().hear(*sorted(said, key=Observation.sort_key)).tick(until)
        crooked = Router().hear(*in_some_order(random, said)).tick(until)
        assert_incremental_is_refold(crooked)
        assert crooked.encounters == straight.encounters
        assert foreign(crooked) == foreign(straight)
        assert crooked.open == straight.open
        tally.extra["of somebody else"] += bool(foreign(straight))
        tally.count(crooked)

    holds()
    tally.report("of somebody else")
