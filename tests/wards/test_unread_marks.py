"""A plan for a ward that nobody knows tells nothing to the ward of the plan before it."""

from __future__ import annotations

from itertools import permutations
from typing import Final

import pytest

from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import message, segment
from tests.router.hearing import Router
from tests.wards.hospital import Hospital

WARDS: Final = WardRegister([Ward(id="KIR", name="Surgery", hospital="Norr")])
PLANNED: Final = "KIR designated marked"


def plan(event: str, ward: str, second: int, expected: str, *more: str) -> bytes:
    return message(
        event,
        {42: ward},
        *more,
        msh={7: f"202601151200{second:02}"},
        evn={2: f"202601151159{second:02}", 3: expected},
    )


@pytest.mark.parametrize("event", ["A05", "A14", "A15"])
@pytest.mark.parametrize("expected", ["20260116090000", '""', ""])
def test_a_ward_hears_no_time_of_a_plan_for_a_ward_that_nobody_knows(
    event: str, expected: str
) -> None:
    hospital = Hospital(register=WARDS).send(
        plan("A14", "KIR", 1, "20260116080000"), plan(event, "K8", 2, expected)
    )
    assert hospital.reasons == ["accepted", "ward-unknown"]
    assert hospital.words == [PLANNED]
    for order in permutations(hospital.observations):
        router = Router().hear(*order)
        assert router.encounters == hospital.router.encounters
        assert router.open == hospital.router.open


def test_nor_of_one_whose_correction_names_such_a_ward() -> None:
    again = segment("ZBE", {1: "M1", 2: "20260115115900", 4: "UPDATE", 5: "N"})
    first = segment("ZBE", {1: "M1", 2: "20260115115900", 4: "INSERT", 5: "N"})
    hospital = Hospital(register=WARDS).send(
        plan("A14", "KIR", 1, "20260116080000", first),
        plan("A14", "K8", 2, "20260116090000", again),
    )
    assert hospital.reasons == ["accepted", "ward-unknown"]
    assert hospital.words == [PLANNED]


def test_a_clinics_booking_tells_the_ward_no_time() -> None:
    booking = plan("A05", "K7", 2, "20260116090000").replace(b"PV1||I|", b"PV1||O|")
    hospital = Hospital(register=WARDS).send(plan("A14", "KIR", 1, "20260116080000"), booking)
    assert hospital.reasons == ["accepted", "accepted"]
    assert hospital.words == [PLANNED]


def test_the_time_of_a_plan_that_can_be_read_is_told() -> None:
    hospital = Hospital(register=WARDS).send(
        plan("A14", "KIR", 1, "20260116080000"), plan("A14", "KIR", 2, "20260116090000")
    )
    assert hospital.words == [PLANNED, "KIR changed updated"]
