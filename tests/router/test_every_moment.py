"""What must hold after each record, whatever came: what wards are told is what the views imply, at every moment.

The end of a history may be right by chance, as what was missed is told with the next event of the same patient.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.patient import effective, still_means
from router.core.state import Realm
from schemas import topics
from schemas.ward import WardRegister
from tests.router.anything import Anything
from tests.router.hearing import Router, restored, rows
from tests.router.saying import REALM
from tests.router.test_identity import aliases, whose
from tests.router.test_invariants import Tally

REGISTER = WardRegister(open_register=True)


def realm_of(router: Router) -> Realm:
    return router.state.realm(REALM)


def assert_told_is_what_holds(router: Router) -> None:
    """Invariant 3, by everybody's views and not only by whom the record touched."""
    realm = realm_of(router)
    patients = {realm.patient_of(visit) for visit in realm.visits.values()}
    implied = {each.name: each for each in effective(realm, patients, REGISTER)}
    told = {name: each for name, each in realm.told.items() if each.backing is not None}
    assert {each.backing: each.terms for each in told.values()} == {
        name: each.terms for name, each in implied.items()
    }
    assert len(told) == len(implied)
    assert router.inbound == router.open == {(n.ward, n.source, n.visit) for n in told}
    for name, each in told.items():
        if (
            each.backing is not None and each.backing != name
        ):  # the ward sees whom the first one means
            assert still_means(realm, name, implied[each.backing])


def assert_published_is_what_is_held(router: Router) -> None:
    realm, leads = realm_of(router), aliases(router)
    views = {key: view["patient"] for key, view in router.encounters.items()}
    assert views == {"|".join(at): visit.fold().patient for at, visit in realm.visits.items()}
    for source, numbers in realm.numbers.items():
        for number in numbers.bonds.everyone():
            assert whose(leads, f"{source}|", number) == numbers.resolve(number)


def assert_a_restart_changes_nothing(router: Router) -> None:
    here, there = realm_of(router), restored(router.step, rows(router.records, topics.STATE))
    again = there.realm(REALM)
    assert again.visits.keys() == here.visits.keys()
    for at, visit in again.visits.items():
        assert visit.fold() == here.visits[at].fold()
        assert visit.foreign == here.visits[at].foreign
        assert set(visit.patients) == set(here.visits[at].patients)
    assert (again.told, again.open_of, again.open_at) == (here.told, here.open_of, here.open_at)
    assert (again.wards, again.by_ward) == (here.wards, here.by_ward)
    assert _sets(again.by_patient) == _sets(here.by_patient)


def _sets(index: dict[str, tuple[tuple[str, str], ...]]) -> dict[str, set[tuple[str, str]]]:
    return {key: set(each) for key, each in index.items()}


def test_at_every_moment_wards_are_told_what_holds() -> None:
    tally = Tally("at every moment")

    @settings(max_examples=2 * settings().max_examples)
    @given(st.integers(0, 2**64), st.integers(10, 40))
    def holds(seed: int, count: int) -> None:
        router, anything = Router("ehr", "W1=elvis"), Anything(Random(seed))
        continued = False
        for _ in range(count):
            anything.goes_to(router)
            if realm_of(router).agenda.behind is None:
                assert_told_is_what_holds(router)
                assert_published_is_what_is_held(router)
                assert_a_restart_changes_nothing(router)
            told = realm_of(router).told.items()
            continued |= any(each.backing not in {None, name} for name, each in told)
        tally.extra["continued"] += continued
        tally.extra["moved"] += bool(aliases(router))
        tally.extra["in review"] += bool(router.review)
        tally.count(router)

    holds()
    tally.report("continued", "moved", "in review", share=20)
