"""Stories of what is told again by its movement (IHE PAM): corrections, and what they correct."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.observation import Claims, Observation, What
from tests.router.saying import Source, minutes, of_movement, place

ehr = Source()

Story = tuple[list[Observation | datetime], list[str]]
"""What one believed source says of one visit and when the clock ticks, and what wards are told."""

MARKED, ARRIVED, REOPENED = "W designated marked", "W arrived moved-in", "W designated reopened"
GONE, CANCELLED = "W withdrawn discharged", "W withdrawn cancelled"
TO_V: Final = ["W withdrawn redesignated", "V designated marked"]


def _z99(what: What, movement: str = "m1", **claims: object) -> Observation:
    return of_movement(ehr.observe(what, Claims.model_validate(claims)), movement, "update")


def _unknown(movement: str, **claims: object) -> Observation:
    return _z99(What.CORRECTED, movement, **claims)


TOLD_AGAIN: Final[dict[str, Story]] = {
    "a corrected plan for the same ward is nothing new": (
        [of_movement(ehr.a05("W"), "m1"), _z99(What.ADMISSION_PLANNED, mark=place("W"))],
        [MARKED],
    ),
    "a cancel without its movement means what is so now, and nothing that was told of the past": (
        [
            ehr.a02("W"),
            ehr.a14("W"),
            ehr.retold("m9", "X", action="insert", past=minutes(600)),
            ehr.a12(),
            ehr.a15("V"),
        ],
        [MARKED, *TO_V],
    ),
    "but where there is nothing else, that": (
        [
            ehr.a14("W"),
            ehr.retold("m9", "W", action="insert", past=minutes(600)),
            ehr.a12(),
        ],
        [MARKED, ARRIVED, REOPENED],
    ),
    "what corrects a movement that was lost is so now, and the newest": (
        [
            ehr.a14("W"),
            of_movement(ehr.a02("W"), "m1"),
            ehr.retold("m9", "X", action="update", past=minutes(600)),
            ehr.a12("W"),
        ],
        [MARKED, ARRIVED],
    ),
    "a corrected plan for another ward moves": (
        [of_movement(ehr.a05("W"), "m1"), _z99(What.ADMISSION_PLANNED, mark=place("V"))],
        [MARKED, *TO_V],
    ),
    "a plan that was fulfilled stays so when it is corrected": (
        [
            of_movement(ehr.a14("W"), "m1"),
            ehr.a02("W"),
            ehr.a02("X"),
            _z99(What.ADMISSION_PLANNED, mark=place("W")),
        ],
        [MARKED, ARRIVED],
    ),
    "a plan of another ward was not fulfilled by that arrival": (
        [
            of_movement(ehr.a14("W"), "m1"),
            ehr.a02("W"),
            ehr.a02("X"),
            _z99(What.TRANSFER_PLANNED, mark=place("V")),
        ],
        [MARKED, ARRIVED, "V designated marked"],
    ),
    "an older plan that is corrected does not replace the newer one": (
        [
            of_movement(ehr.a15("U"), "m1"),
            of_movement(ehr.a15("W"), "m2"),
            _z99(What.TRANSFER_PLANNED, "m1", mark=place("V")),
        ],
        ["U designated marked", "U withdrawn redesignated", MARKED],
    ),
    "a correction of a plan that nobody heard is the plan": (
        [ehr.a01("ER"), _z99(What.ADMISSION_PLANNED, mark=place("W"))],
        [MARKED],
    ),
    "and is corrected by the next": (
        [
            ehr.a01("ER"),
            _z99(What.ADMISSION_PLANNED, mark=place("W")),
            _z99(What.ADMISSION_PLANNED, mark=place("V")),
        ],
        [MARKED, *TO_V],
    ),
    "one that was fulfilled stays so": (
        [
            ehr.a01("ER"),
            _z99(What.ADMISSION_PLANNED, mark=place("W")),
            ehr.a02("W"),
            ehr.a02("X"),
            _z99(What.ADMISSION_PLANNED, mark=place("W")),
        ],
        [MARKED, ARRIVED],
    ),
    "a correction means the latest of its kind where that names no movement": (
        [ehr.a14("U"), ehr.a14("W"), _z99(What.ADMISSION_PLANNED, mark=place("V"))],
        ["U designated marked", "U withdrawn redesignated", MARKED, *TO_V],
    ),
    "not one of another movement": (
        [
            of_movement(ehr.a14("W"), "m9"),
            ehr.a02("W"),
            ehr.a02("X"),
            _z99(What.ADMISSION_PLANNED, mark=place("W")),
        ],
        [MARKED, ARRIVED, MARKED],
    ),
    "one that names no movement means the latest of its kind": (
        [of_movement(ehr.a14("W"), "m9"), _z99(What.ADMISSION_PLANNED, "", mark=place("V"))],
        [MARKED, *TO_V],
    ),
    "the cancel of a movement takes its corrected plan back, whatever ward it names": (
        [
            of_movement(ehr.a15("V"), "m1"),
            _z99(What.TRANSFER_PLANNED, mark=place("W")),
            of_movement(ehr.a27("V"), "m1", "cancel"),
        ],
        ["V designated marked", "V withdrawn redesignated", MARKED, CANCELLED],
    ),
    "the cancel of another movement leaves the plan": (
        [
            of_movement(ehr.a15("V"), "m1"),
            of_movement(ehr.a15("W"), "m2"),
            of_movement(ehr.a27(), "m1", "cancel"),
        ],
        ["V designated marked", "V withdrawn redesignated", MARKED],
    ),
    "a correction that does not say of what moves the plan with its id": (
        [of_movement(ehr.a05("W"), "m1"), _unknown("m1", place=place("V"))],
        [MARKED, *TO_V],
    ),
    "of a plan to another place it is the planned ward that counts": (
        [
            of_movement(ehr.a14("W"), "m1"),
            _unknown("m1", place=place("ER"), mark=place("V")),
        ],
        [MARKED, *TO_V],
    ),
    "an older plan that it corrects does not replace the newer one either": (
        [
            of_movement(ehr.a14("U"), "m1"),
            of_movement(ehr.a14("W"), "m2"),
            _unknown("m1", mark=place("V")),
        ],
        ["U designated marked", "U withdrawn redesignated", MARKED],
    ),
    "of a planned transfer the place is where they lie": (
        [of_movement(ehr.a15("W"), "m1"), _unknown("m1", place=place("V"))],
        [MARKED],
    ),
    "or corrects the movement": (
        [ehr.a14("W"), of_movement(ehr.a02("V"), "m1"), _unknown("m1", place=place("W"))],
        [MARKED, ARRIVED],
    ),
    "and of an unknown movement moves nobody": (
        [ehr.a14("W"), ehr.a02("V"), _unknown("m1", place=place("W"))],
        [MARKED],
    ),
    "a strike that does not say of what takes back what has the id": (
        [
            of_movement(ehr.a14("W"), "m1"),
            of_movement(ehr.observe(What.UPDATED), "m1", "cancel"),
        ],
        [MARKED, "W withdrawn corrected"],
    ),
    "a lost discharge ended the visit when it took place": (
        [
            ehr.a01("ER", at=minutes(10)),
            ehr.a14("W", at=minutes(11)),
            ehr.a14("V", at=minutes(13)),
            of_movement(ehr.a03(at=minutes(14)), "m1", "update", occurred=minutes(12)),
        ],
        [MARKED, *TO_V, "V withdrawn discharged", "V designated marked"][:3],
    ),
    "also one of the past": (
        [
            ehr.a01("ER", at=minutes(20)),
            ehr.a14("W", at=minutes(21)),
            of_movement(ehr.a03(at=minutes(24)), "m1", "update", past=minutes(22)),
        ],
        [MARKED, GONE],
    ),
    "the cancel of a discharge takes its correction back": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ehr.a03(), "m1"),
            of_movement(ehr.a03(), "m1", "update"),
            of_movement(ehr.a13("ER"), "m1", "cancel"),
        ],
        [MARKED, GONE, REOPENED],
    ),
    "also where only the correction and the cancel name the movement": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a03(),
            of_movement(ehr.a03(), "m1", "update"),
            of_movement(ehr.a13("ER"), "m1", "cancel"),
        ],
        [MARKED, GONE, REOPENED],
    ),
    "what a cancel gave back goes with the movement, as it was told last": (
        [
            of_movement(ehr.a01("W"), "m0"),
            ehr.a11(),
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ehr.a02("X"), "m1"),
            of_movement(ehr.a02("W"), "m1", "update", past=minutes(0)),
            ehr.a10(temporary="X"),
            ehr.a32("W"),
            of_movement(ehr.a12(), "m1", "cancel"),
        ],
        [MARKED, ARRIVED, REOPENED],
    ),
    "the cancel of another discharge does not take it back": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ehr.a03(), "m1"),
            of_movement(ehr.a13("ER"), "m2", "cancel"),
        ],
        [MARKED, GONE],
    ),
    "of a transfer too": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W"),
            of_movement(ehr.a02("W"), "m1", "update"),
            of_movement(ehr.a12("ER"), "m1", "cancel"),
        ],
        [MARKED, ARRIVED, REOPENED],
    ),
    "a correction after the cancel stands for itself": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a03(),
            ehr.a13("ER"),
            of_movement(ehr.a03(), "m1", "update"),
        ],
        [MARKED, GONE, REOPENED, GONE],
    ),
    "a cancel that is told again cancels nothing more": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W"),
            ehr.a02("X"),
            of_movement(ehr.a12("W"), "m9"),
            of_movement(ehr.a12("W"), "m9", "update"),
        ],
        [MARKED, ARRIVED],
    ),
    "nor does one without a movement": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W"),
            ehr.a02("X"),
            ehr.a12(),
            of_movement(ehr.a12(), "", "update"),
        ],
        [MARKED, ARRIVED],
    ),
    "a cancelled admission that is told again does not end the next": (
        [
            of_movement(ehr.a11(), "m1"),
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ehr.a11(), "m1", "update"),
        ],
        [MARKED],
    ),
    "a correction of an earlier admission reopens nothing": (
        [
            of_movement(ehr.a01("ER"), "m1"),
            ehr.a14("W"),
            ehr.a03(),
            of_movement(ehr.a01("V"), "m1", "update"),
            ehr.a08(mark={"ward": "V"}),
        ],
        [MARKED, GONE],
    ),
    "a strike takes a movement of the past back too": (
        [
            ehr.a14("W", at=minutes(31)),
            ehr.a02("X", at=minutes(32)),
            ehr.retold("m9", "W", what=What.UPDATED, action="insert", past=minutes(33)),
            of_movement(ehr.a12("X"), "m9", "cancel"),
        ],
        [MARKED, ARRIVED, REOPENED],
    ),
    "a lost plan is one from when it is told": (
        [
            ehr.a01("ER", at=minutes(40)),
            ehr.a02("W", at=minutes(42)),
            ehr.a02("X", at=minutes(44)),
            of_movement(ehr.a14("W", at=minutes(45)), "m1", "update", occurred=minutes(41)),
        ],
        [MARKED],
    ),
    "an update of now says how it is now, whatever movement it names": (
        [
            ehr.a14("W"),
            of_movement(ehr.a08(place={"ward": "V"}), "m1"),
            of_movement(ehr.a08(place={"ward": "W"}), "m1", "update"),
        ],
        [MARKED, ARRIVED],
    ),
    "a plan that is told again says nothing of the place": (
        [
            ehr.a01("ER"),
            of_movement(ehr.a14("V"), "m1"),
            _z99(What.ADMISSION_PLANNED, mark=place("W"), place=place("W")),
        ],
        ["V designated marked", "V withdrawn redesignated", MARKED],
    ),
}
