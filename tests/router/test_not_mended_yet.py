"""Defects that are known and not mended yet: each test fails until its defect is gone.

``strict``: whoever mends one is told here, and takes the mark away.
"""

from datetime import timedelta

import pytest

from router.core.step import RouterStep
from schemas import topics
from schemas.authority import Authority, AuthorityEntry
from schemas.observation import Observation, Protection
from schemas.ward import Ward, WardRegister
from tests.router.hearing import Router
from tests.router.saying import REALM, START, Source, minutes

MASKED_BY_NUMBER = "protection is asked of numbers that the protecting source itself has merged"


def is_masked(router: Router) -> bool:
    return router.told[-1].data.protected


@pytest.mark.xfail(strict=True, reason=MASKED_BY_NUMBER)
def test_a_merge_of_one_source_unmasks_nobody_whom_another_protects() -> None:
    """Invariant 10: now the ward is told ``changed``, and that the person is not protected."""
    bed_system = Source("elvis", visit="e1", patient="old")
    record_system = Source("ehr", patient="old")
    router = Router("ehr")
    router.hear(bed_system.row("ED", protection=Protection.PROTECTED), record_system.a14("W1"))
    assert is_masked(router)
    router.hear(record_system.a40("new"))
    assert is_masked(router)


@pytest.mark.xfail(strict=True, reason=MASKED_BY_NUMBER)
def test_person_data_of_one_source_protects_under_the_number_that_another_has_merged() -> None:
    router = Router("ehr")
    router.hear(Source("ehr", patient="old").a40("new"), Source("ehr", patient="new").a14("W1"))
    router.hear(Source("elvis", patient="old").a31(Protection.PROTECTED))
    assert is_masked(router)


def in_hospital(hospital: str) -> RouterStep:
    return RouterStep(WardRegister([Ward(id="W1", name="one", hospital=hospital)]))


@pytest.mark.xfail(strict=True, reason="nothing looks at the wards when the register is another")
def test_a_ward_that_the_register_moves_to_another_hospital_follows_its_authority() -> None:
    """Invariant 3: the list keeps whom a source announced that is not believed there any more."""
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


@pytest.mark.xfail(strict=True, reason="a tick that lies before the last one is passed over")
def test_a_clock_that_was_ahead_for_a_moment_moves_no_authority_for_good() -> None:
    """Now W1 is elvis' until the year that the clock showed, whatever it shows today."""
    router = Router("W1=ehr", "W1=elvis@08:00").tick(minutes(1))
    router.hear(Source("ehr").a14("W1"))
    router.tick(START + timedelta(days=3650))
    router.tick(minutes(5))
    assert router.wards == ["W1"]


def at_once(said: Observation, received_ms: int) -> Observation:
    """As of a sender whose clocks tick in seconds: only the receipts differ."""
    stamp = said.stamp
    received_at = stamp.at + timedelta(milliseconds=received_ms)
    return said.model_copy(
        update={"stamp": stamp.model_copy(update={"sequence": 0, "received_at": received_at})}
    )


@pytest.mark.xfail(strict=True, reason="a cancel sorts after every plan of its second")
def test_a_plan_made_anew_in_the_second_of_its_cancel_stands() -> None:
    """A system that changes a plan by a cancel and a new one: the patient is on nobody's list."""
    sender, router = Source(), Router()
    plan, cancel = sender.a15("W1"), sender.a27(at=minutes(9))
    router.hear(plan, at_once(cancel, 1), at_once(sender.a15("W2", at=minutes(9)), 2))
    assert router.wards == ["W2"]
