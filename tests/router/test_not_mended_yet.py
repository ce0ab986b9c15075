"""Defects that are known and not mended yet: each test fails until its defect is gone.

``strict``: whoever mends one is told here, and takes the mark away.
"""

from datetime import timedelta

import pytest

from schemas.observation import Observation
from tests.router.hearing import Router
from tests.router.saying import START, Source, minutes


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
