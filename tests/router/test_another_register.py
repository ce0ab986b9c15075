"""A restart may bring another ward register: the wards' lists follow it."""

from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.ward import Ward, WardRegister
from tests.router.hearing import Router
from tests.router.saying import REALM, Source, minutes


def in_hospital(hospital: str) -> RouterStep:
    return RouterStep(WardRegister([Ward(id="W1", name="one", hospital=hospital)]))


def test_a_ward_that_the_register_moves_to_another_hospital_follows_its_authority() -> None:
    """Invariant 3: whom a source announced that is believed there no longer is withdrawn."""
    router = Router()
    router.step = in_hospital("north")
    hospitals = {"north": "ehr", "south": "elvis"}
    entries = tuple(
        AuthorityEntry(scope="hospital", name=name, source=source)
        for name, source in hospitals.items()
    )
    timeline = Authority(realm=REALM, entries=entries)
    router.feed(topics.AUTHORITY, timeline.model_dump_json().encode())
    router.hear(Source("ehr").a14("W1"))
    assert router.wards == ["W1"]
    router.step = in_hospital("south")
    router.restart().tick(minutes(60))
    assert router.wards == []
