"""Stories of what has not happened yet; a time among what is said is a tick."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from schemas.observation import Claims, Observation, What
from tests.router.saying import Source, ahead, minutes, of_movement, place

ehr, then = Source(at=minutes(0)), Source()

Story = tuple[list[Observation | datetime], list[str]]
"""What one believed source says of one visit and when the clock ticks, and what wards are told."""

MARKED, ARRIVED, REOPENED = "W designated marked", "W arrived moved-in", "W designated reopened"
GONE, CANCELLED = "W withdrawn discharged", "W withdrawn cancelled"
SOON, LATER = minutes(1000), minutes(2000)


def _to_v_for_w() -> Claims:
    return Claims(place=place("V"), mark=place("W"))


AHEAD: Final[dict[str, Story]] = {
    "an arrival ahead is expected, and arrives with the tick at its time": (
        [
            ehr.a14("W"),
            ahead(ehr.a01("W"), SOON),
            minutes(999),
            minutes(1000),
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "one that is expected at another time is not expected anew": (
        [ehr.a14("W", expected_at=LATER), ahead(ehr.a02("W"), SOON), minutes(999)],
        [MARKED],
    ),
    "a discharge ahead withdraws with the tick after its time": (
        [ehr.a01("ER"), ehr.a14("W"), ahead(ehr.a03(), SOON), minutes(999), minutes(1003)],
        [MARKED, GONE],
    ),
    "what is ahead happens before what sorts after it": (
        [
            ehr.a14("W", at=minutes(48)),
            ahead(ehr.a02("W", at=minutes(49)), minutes(50)),
            ehr.a02("X", at=minutes(51)),
            ehr.a02("Y", at=minutes(52)),
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "and after what sorts before it, whenever that arrives": (
        [
            ehr.a14("W", at=minutes(60)),
            ahead(ehr.a02("W", at=minutes(61)), minutes(70)),
            minutes(71),
            ehr.a27(at=minutes(65)),
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "what was to happen before it was received has happened": (
        [
            ehr.a14("W", at=minutes(80)),
            ahead(ehr.a02("W", at=minutes(81)), minutes(82)).model_copy(
                update={
                    "stamp": ehr.a02("W", at=minutes(81)).stamp.model_copy(
                        update={"received_at": minutes(83)}
                    )
                }
            ),
        ],
        [MARKED, ARRIVED],
    ),
    "a discharge told for another time goes with it, also where a movement is corrected": (
        [
            of_movement(ehr.a02("X"), "m1"),
            ehr.retold("m1", "ER"),
            ehr.a14("W"),
            ahead(ehr.a03(), SOON),
            ahead(ehr.a03(), minutes(1500)),
            ehr.a13(),
            LATER,
        ],
        [MARKED],
    ),
    "an arrival ahead is taken back by the latest cancel of its kind": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            ehr.a12("ER"),
            LATER,
        ],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "or by its movement": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a02("W"), SOON), "m1"),
            of_movement(ehr.a02("X"), "m2"),
            of_movement(ehr.a12("ER"), "m1", "cancel"),
            LATER,
        ],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "once it has happened, it is the latest": (
        [
            ehr.a01("ER", at=minutes(100)),
            ehr.a14("W", at=minutes(101)),
            ahead(ehr.a02("W", at=minutes(102)), minutes(110)),
            ehr.a02("X", at=minutes(103)),
            minutes(111),
            ehr.a12("X", at=minutes(112)),
        ],
        [MARKED, "W changed updated", ARRIVED, REOPENED],
    ),
    "before it has happened, what was said after it is": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            ehr.a02("X"),
            ehr.a12("ER"),
            SOON,
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "a discharge ahead is taken back": (
        [ehr.a01("ER"), ehr.a14("W"), ahead(ehr.a03(), SOON), ehr.a13("ER"), LATER],
        [MARKED],
    ),
    "or by its movement, whatever was said of it": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a03(), SOON), "m1"),
            of_movement(ahead(ehr.a03(), LATER), "m1", "update"),
            of_movement(ehr.a13(), "m1", "cancel"),
            minutes(3000),
        ],
        [MARKED],
    ),
    "a cancelled admission takes back one that is ahead, with all that was planned": (
        [ehr.a14("W"), ahead(ehr.a01("W"), SOON), ehr.a11(), LATER],
        [MARKED, "W changed updated", CANCELLED],
    ),
    "who is here all the same stays": (
        [ehr.a01("ER"), ehr.a14("W"), ahead(ehr.a01("W"), SOON), ehr.a11(), LATER],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "who was only heard of is not here": (
        [ehr.a08(), ehr.a14("W"), ahead(ehr.a01("W"), SOON), ehr.a11(), LATER],
        [MARKED, "W changed updated", CANCELLED],
    ),
    "unless it is their own admission that is cancelled": (
        [
            of_movement(ehr.a01("ER"), "m1"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a01("W"), SOON), "m2"),
            of_movement(ehr.a11(), "m1", "cancel"),
            LATER,
        ],
        [MARKED, "W changed updated", CANCELLED],
    ),
    "a discharge ahead is corrected": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a03(), SOON), "m1"),
            of_movement(ahead(ehr.a03(), LATER), "m1", "update"),
            minutes(1500),
            LATER,
        ],
        [MARKED, GONE],
    ),
    "also to have happened already": (
        [
            ehr.a01("ER", at=minutes(120)),
            ehr.a14("W", at=minutes(121)),
            of_movement(ahead(ehr.a03(at=minutes(122)), SOON), "m1"),
            of_movement(ehr.a03(at=minutes(125)), "m1", "update", occurred=minutes(124)),
        ],
        [MARKED, GONE],
    ),
    "one that has happened may be corrected to be ahead": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ehr.a03(), "m1"),
            of_movement(ahead(ehr.a03(), SOON), "m1", "update"),
            minutes(999),
            SOON,
        ],
        [MARKED, GONE, REOPENED, GONE],
    ),
    "what a cancel gives back is not what lies ahead": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a02("ER"), SOON), "m1"),
            ehr.a02("X"),
            ehr.a12("ER"),
            of_movement(ahead(ehr.a02("W"), SOON), "m1", "update"),
            minutes(999),
        ],
        [MARKED, "W changed updated"],
    ),
    "the place of an arrival ahead is corrected": (
        [
            ehr.a14("W"),
            of_movement(ahead(ehr.a02("V"), SOON), "m1"),
            of_movement(ahead(ehr.a02("W"), SOON), "m1", "update"),
            SOON,
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "a discharge overtakes all that was planned for the stay": (
        [
            ehr.a01("ER"),
            ahead(ehr.a02("W"), SOON),
            ahead(ehr.a03(), SOON),
            ehr.a03(),
            ehr.a01("ER"),
            ehr.a14("W"),
            LATER,
        ],
        [MARKED],
    ),
    "who is admitted again does not leave as planned before": (
        [ehr.a01("ER"), ehr.a14("W"), ahead(ehr.a03(), SOON), ehr.a01("ER"), LATER],
        [MARKED],
    ),
    "who is admitted as planned leaves as planned": (
        [
            ehr.a14("W"),
            ahead(ehr.a01("ER"), SOON),
            ahead(ehr.a03(), LATER),
            ehr.a01("ER"),
            minutes(1500),
            LATER,
        ],
        [MARKED, GONE],
    ),
    "also of whom somebody had heard before": (
        [
            ehr.a08(),
            ehr.a14("W"),
            ahead(ehr.a03(), LATER),
            ehr.a01("ER"),
            minutes(1500),
            LATER,
        ],
        [MARKED, GONE],
    ),
    "an admission and a discharge ahead happen one after the other": (
        [
            ehr.a14("W"),
            ahead(ehr.a03(), LATER),
            ahead(ehr.a01("ER"), SOON),
            minutes(1500),
            LATER,
        ],
        [MARKED, GONE],
    ),
    "who came before the time does not come again": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            ehr.a02("W"),
            ehr.a02("X"),
            ehr.a15("W"),
            LATER,
        ],
        [MARKED, "W changed updated", ARRIVED, MARKED],
    ),
    "who changes the bed comes to the ward all the same": (
        [
            ehr.a01("ER/1"),
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            ehr.a02("ER/2"),
            LATER,
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "a discharge at another time replaces the one before": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ahead(ehr.a03(), SOON),
            ahead(ehr.a03(), LATER),
            minutes(1500),
            LATER,
        ],
        [MARKED, GONE],
    ),
    "who is admitted elsewhere is not admitted as planned": (
        [ehr.a14("W"), ahead(ehr.a01("W"), SOON), ehr.a01("V"), LATER],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "a mark that was said ahead of time and taken back does not return": (
        [
            ehr.a01("ER"),
            ahead(ehr.observe(What.TRANSFERRED, _to_v_for_w()), SOON),
            ehr.a27(),
            SOON,
        ],
        [MARKED, CANCELLED],
    ),
    "and is taken back with it": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ahead(ehr.a03(), SOON),
            ahead(ehr.a03(), LATER),
            ehr.a13("ER"),
            LATER,
        ],
        [MARKED],
    ),
    "also at the time that it was to happen first": (
        [
            then.a01("ER", at=minutes(200)),
            then.a14("W", at=minutes(201)),
            ahead(then.a03(at=minutes(202)), minutes(205)),
            ahead(then.a03(at=minutes(203)), minutes(209)),
            then.a13("ER", at=minutes(206)),
            then.a08(at=minutes(207)),
            minutes(210),
        ],
        [MARKED],
    ),
    "each cancel takes one event back, however often that was said": (
        [
            ehr.a01("W"),
            ehr.a14("W"),
            ehr.a02("V"),
            ahead(ehr.a02("X"), SOON),
            ehr.a02("X"),
            ehr.a12("V"),
            ehr.a12("W"),
            ehr.a15("V"),
            LATER,
        ],
        ["V designated marked"],
    ),
    "and by its movement": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            of_movement(ahead(ehr.a03(), SOON), "m1"),
            of_movement(ahead(ehr.a03(), LATER), "m2"),
            of_movement(ehr.a13("ER"), "m2", "cancel"),
            LATER,
        ],
        [MARKED],
    ),
    "so does an admission": (
        [
            ehr.a14("W"),
            ahead(ehr.a01("W"), SOON),
            ahead(ehr.a01("V"), LATER),
            LATER,
        ],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "and a transfer to the same ward, not one to another": (
        [
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            ahead(ehr.a02("V"), minutes(500)),
            ahead(ehr.a02("W"), LATER),
            minutes(1500),
            LATER,
        ],
        [MARKED, "W changed updated", "W changed updated", ARRIVED],
    ),
    "an admission ahead of who was discharged reopens the visit": (
        [
            ehr.a01("ER"),
            ehr.a03(),
            ahead(ehr.a01("V"), SOON),
            SOON,
            then.a15("W", at=minutes(1001)),
            then.a02("W", at=minutes(1002)),
        ],
        [MARKED, ARRIVED],
    ),
    "a discharge ahead is not that of the next stay": (
        [
            ehr.a01("ER"),
            ahead(ehr.a03(), SOON),
            ehr.a11(),
            ehr.a14("W"),
            LATER,
        ],
        [MARKED],
    ),
    "a state ahead is replaced by the next": (
        [ehr.row("ER", "W"), ahead(ehr.row("W"), SOON), ehr.row("ER", "W"), LATER],
        [MARKED, "W changed updated", "W changed updated"],
    ),
    "and says how it is then": (
        [ehr.row("ER", "W"), ahead(ehr.row("W"), SOON), LATER],
        [MARKED, "W changed updated", ARRIVED],
    ),
    "a move that took effect is not taken along by the cancel of one that was told later": (
        [
            ehr.a14("W"),
            ahead(ehr.a02("W"), SOON),
            minutes(1003),
            ehr.a02("X", at=minutes(1050)),
            ehr.a02("W", at=minutes(1100)),
            ehr.a12("X", at=minutes(1101)),
        ],
        [MARKED, "W changed updated", ARRIVED],
    ),
}
