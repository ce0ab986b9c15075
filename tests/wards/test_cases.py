"""Messages that once told a ward something wrong, with what is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from router.core.fulfilment import FulfilledBy
from tests.router.hearing import Router
from tests.wards.hospital import CASES, Hospital, case

MARKED, ARRIVED = "W1 designated marked", "W1 arrived moved-in"


def test_every_message_of_a_case_is_read() -> None:
    for path in sorted(CASES.rglob("*.hl7")):
        assert Hospital().send(path.read_bytes()).reasons == ["accepted"], path


def same_in_any_order(hospital: Hospital, last: datetime | None = None) -> None:
    """However the statements arrive, the wards end alike."""
    for order in permutations(hospital.observations):
        router = Router().hear(*order)
        if last is not None:
            router.tick(last)
        assert router.open == hospital.router.open
        assert router.encounters == hospital.router.encounters


def test_17_a_cancelled_transfer_opens_the_plan_again() -> None:
    hospital = Hospital().send(*case("17_cancelled_transfer", "1", "2", "3", "4"))
    assert hospital.words == [
        "W9 designated marked", "W9 arrived moved-in", "W9 designated reopened",
    ]  # fmt: skip
    assert hospital.view("CT1")["place"] == {"ward": "W8", "room": "1", "bed": "1"}
    same_in_any_order(hospital)
    unplanned = Hospital().send(*case("17_cancelled_transfer", "b1", "b2", "b3"))
    assert unplanned.words == []


def test_19_another_bed_an_update_and_a_planned_discharge_leave_the_plan() -> None:
    hospital = Hospital().send(*case("19_bed_swap_keeps_plan", "1", "2", "3", "4", "5"))
    assert hospital.words == ["W12 designated marked"]
    assert hospital.wards == ["W12"]
    same_in_any_order(hospital)


def test_40_a_corrected_plan_for_the_same_ward_is_nothing_new() -> None:
    plan, same = case("40_z99_corrects_a_plan", "01_z99_a05_same_ward_1", "01_z99_a05_same_ward_2")
    hospital = Hospital().send(plan, same)
    assert hospital.words == ["1050 designated marked"]
    assert hospital.view("V1")["place"] is None
    same_in_any_order(hospital)


def test_40_a_plan_that_is_corrected_to_another_ward_moves() -> None:
    plan, other = case("40_z99_corrects_a_plan", "01_z99_a05_same_ward_1", "01_z99_a05_other")
    hospital = Hospital().send(plan, other)
    moves = ["1050 designated marked", "1050 withdrawn redesignated", "2100 designated marked"]
    assert hospital.words == moves
    assert hospital.view("V1")["place"] is None
    same_in_any_order(hospital)
    assert Hospital().send(other).words == ["2100 designated marked"]


def test_41_a_correction_is_all_that_tells_of_a_lost_discharge() -> None:
    hospital = Hospital().send(
        *case(
            "41_z99_of_a_lost_discharge", *(f"01c_z99_a03_of_a_lost_discharge_{n}" for n in "123")
        )
    )
    assert hospital.words == [MARKED, "W1 withdrawn discharged"]
    assert hospital.view("V1")["phase"] == "discharged"
    same_in_any_order(hospital)


@pytest.mark.parametrize(
    ("name", "words", "place"),
    [
        ("05_a13_a06_same_second",
         [MARKED, "W1 withdrawn discharged", "W1 designated reopened", ARRIVED], "W1"),
        ("05b_a12_a02_same_second", [MARKED, ARRIVED], "W1"),
        ("05c_a12_a02_same_second_by_id", [MARKED, ARRIVED], "W1"),
        ("06_a11_a01_same_second", [MARKED, "W1 withdrawn cancelled", MARKED], "ED2"),
    ],
)  # fmt: skip
def test_42_within_one_second_the_order_of_sending_decides(
    name: str, words: list[str], place: str
) -> None:
    hospital = Hospital().send(*case("42_same_second", *(f"{name}_{n}" for n in "12345")))
    assert hospital.words == words
    assert hospital.view("V1")["place"] == {"ward": place, "room": None, "bed": None}
    same_in_any_order(hospital)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_43_an_arrival_in_the_future_arrives_when_its_time_comes() -> None:
    messages = case("43_in_the_future", "02_arrival_in_the_future_1", "02_arrival_in_the_future_2")
    hospital = Hospital().send(*messages)
    assert hospital.words == [MARKED, "W1 changed updated"]
    assert hospital.router.told[-1].data.expected_at == at(2, 8)
    assert hospital.view("V1")["place"] is None
    assert hospital.tick(at(2, 7, 59)).wards == ["W1"]
    assert hospital.tick(at(2, 8)).words[2:] == [ARRIVED]
    same_in_any_order(hospital, at(2, 8))


def test_43_a_discharge_in_the_future_is_planned_until_then() -> None:
    messages = case("43_in_the_future", *(f"02b_discharge_in_the_future_{n}" for n in "123"))
    hospital = Hospital().send(*messages)
    assert hospital.words == [MARKED]
    view = hospital.view("V1")
    assert (view["phase"], view["planned_discharge_at"]) == ("active", "2026-03-02T13:00:00Z")
    assert hospital.tick(at(2, 12, 59)).wards == ["W1"]
    assert hospital.tick(at(2, 13)).words == [MARKED, "W1 withdrawn discharged"]
    assert hospital.view("V1")["phase"] == "discharged"
    same_in_any_order(hospital, at(2, 13))


@pytest.mark.parametrize("name", ["02_arrival_in_the_future", "02b_discharge_in_the_future"])
def test_43_received_after_its_time_it_ends_alike(name: str) -> None:
    messages = [each.read_bytes() for each in sorted(CASES.rglob(f"{name}_*.hl7"))]
    in_time = Hospital().send(*messages).tick(at(3, 0))
    late = Hospital().send(*messages, late_by=timedelta(days=2))
    assert late.wards == in_time.wards == []
    assert late.router.encounters == in_time.router.encounters


@pytest.mark.parametrize("name", ["02_arrival_in_the_future", "02b_discharge_in_the_future"])
def test_43_where_the_field_means_something_else_it_has_happened(name: str) -> None:
    messages = [each.read_bytes() for each in sorted(CASES.rglob(f"{name}_*.hl7"))]
    for profile in ('occurred_ahead = "happened"', 'occurred = ["ZBE-2"]'):
        assert Hospital(profile).send(*messages).wards == []


def test_45_a_plan_of_an_outpatient_tells_no_ward() -> None:
    (message,) = case("45_plan_of_an_outpatient", "07")
    assert Hospital().send(message).words == []
    everybody = '[marks]\nA05 = { fields = ["PV1-3"], classes = ["*"] }'
    assert Hospital(everybody).send(message).words == ["DERMCLINIC designated marked"]


TRACKED = case("51_tracking_is_no_arrival", "1", "2", "3", "4", "5")


@pytest.mark.parametrize("by", ["place", "responsible"])
def test_51_a_temporary_place_is_no_arrival(by: FulfilledBy) -> None:
    hospital = Hospital(fulfilled_by=by).send(*TRACKED[:3])
    assert hospital.words == ["TKIR9731 designated marked"]
    view = hospital.view("TVTKIR9731")
    assert view["place"] == {"ward": "MED1", "room": "R1", "bed": "1"}
    assert view["temporary_place"] == {"ward": "TKIR9731", "room": None, "bed": None}
    hospital.send(TRACKED[3])
    assert len(hospital.words) == 1
    assert hospital.view("TVTKIR9731")["temporary_place"] is None


def test_51_who_is_moved_there_afterwards_arrives() -> None:
    hospital = Hospital().send(*TRACKED)
    assert hospital.words == ["TKIR9731 designated marked", "TKIR9731 arrived moved-in"]
    same_in_any_order(hospital)


def test_51_without_a_temporary_place_a10_is_an_arrival_and_a32_takes_it_back() -> None:
    stays = TRACKED[2].replace(b"MED1^R1^1^NORR||||||||TKIR9731^^^NORR", b"TKIR9731^^^NORR||||||||")
    hospital = Hospital().send(*TRACKED[:2], stays)
    assert hospital.words == ["TKIR9731 designated marked", "TKIR9731 arrived moved-in"]
    hospital.send(TRACKED[3])
    assert hospital.words[2:] == ["TKIR9731 designated reopened"]
    assert hospital.view("TVTKIR9731")["place"] == {"ward": "MED1", "room": "R1", "bed": "1"}
    same_in_any_order(hospital)


@pytest.mark.parametrize("event", [b"A09", b"A33"])
@pytest.mark.parametrize("temporary", [b"TKIR9731^^^NORR", b""])
@pytest.mark.parametrize("place", [b"MED1^R1^1^NORR", b"TKIR9731^^^NORR"])
def test_51_who_departs_has_not_arrived(event: bytes, temporary: bytes, place: bytes) -> None:
    departs = TRACKED[2].replace(b"ADT^A10^ADT_A09", b"ADT^" + event)
    departs = departs.replace(
        b"MED1^R1^1^NORR||||||||TKIR9731^^^NORR", place + b"||||||||" + temporary
    )
    hospital = Hospital().send(*TRACKED[:2], departs)
    assert hospital.words == ["TKIR9731 designated marked"]
    assert hospital.view("TVTKIR9731")["place"] == {"ward": "MED1", "room": "R1", "bed": "1"}


@pytest.mark.parametrize("event", [b"A09", b"A10"])
def test_51_with_zbe_4_cancel_it_is_its_own_cancel(event: bytes) -> None:
    tracked = TRACKED[2].replace(b"ADT^A10^ADT_A09", b"ADT^" + event)
    cancelled = tracked.replace(b"20261130232900", b"20261130232901")
    cancelled += b"ZBE|M1^H|20261130232900||CANCEL|N|" + event + b"\r"
    hospital = Hospital().send(*TRACKED[:2], tracked, cancelled)
    assert hospital.reasons == ["accepted"] * 4
    assert hospital.words == ["TKIR9731 designated marked"]
    assert hospital.view("TVTKIR9731")["temporary_place"] is None
