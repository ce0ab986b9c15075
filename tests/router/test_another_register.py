"""A restart may bring another ward register: the wards' lists follow it."""

import pytest

from router.core import backlog
from router.core.fulfilment import FulfilledBy, Fulfilment
from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.observation import Claims, What
from schemas.ward import Ward, WardRegister
from tests.router.hearing import Router
from tests.router.saying import REALM, Source, minutes, place


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


@pytest.mark.parametrize("by", ["place", "responsible"])
@pytest.mark.parametrize("is_restarted", [True, False])
def test_the_census_follows_another_choice_of_what_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, by: FulfilledBy, *, is_restarted: bool
) -> None:
    """As if it had been so from the beginning, also in parts and over a restart between them."""
    monkeypatch.setattr(backlog, "LOOKED_AT", 1)
    before: FulfilledBy = "place" if by == "responsible" else "responsible"
    router, straight = Router(fulfilled_by=before), Router(fulfilled_by=by)
    for n in range(5):
        s = Source(visit=f"v{n}", patient=f"p{n}")
        moved = Claims(responsible_ward=f"W{n % 2}", place=place(f"X{n % 2}"))
        if n % 2:
            moved = Claims(responsible_ward="X", place=place(f"W{n % 2}"))
        for said in (s.a14(f"W{n % 2}"), s.observe(What.TRANSFERRED, moved)):
            router.hear(said)
            straight.hear(said)
    router.tick(minutes(5))
    assert router.encounters != straight.encounters
    router.step = RouterStep(WardRegister(open_register=True), fulfilments={REALM: Fulfilment(by)})
    router.restart().goes_on = False
    router.tick(minutes(6))
    for _ in range(3):  # the first ward is done, the second is begun with
        assert router.go_on()
    if is_restarted:
        router.restart()
    router.catch_up()
    assert router.encounters == straight.encounters
    assert router.open == router.inbound == straight.open


def test_where_nothing_else_is_read_no_view_is_written() -> None:
    """Authority moves announcements, and changes nothing of what sources say."""
    router = Router("ehr").tick(minutes(1))
    router.hear(Source().a14("W1"), Source("elvis").row("X", "W1"))
    before = len([each for each in router.records if each.topic == topics.ENCOUNTERS])
    router.believe("elvis").restart().tick(minutes(9))
    assert len([each for each in router.records if each.topic == topics.ENCOUNTERS]) == before
