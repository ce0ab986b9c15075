"""The stories of DESIGN section 5, and those each rule needs, as a table."""

from typing import Final

from schemas.observation import Observation, What
from tests.router.saying import Source, minutes

ehr = Source()
T = minutes(5)

Story = tuple[list[Observation], list[str]]
"""What one believed source says of one visit, and every word that wards are told."""

STORIES: Final[dict[str, Story]] = {
    "a cancel of the old ward leaves the new one": (
        [ehr.a14("W1"), ehr.a14("W2"), ehr.a27("W1")],
        ["W1 designated marked", "W1 withdrawn redesignated", "W2 designated marked"],
    ),
    "a cancel pairs with nothing: two marks, one cancel, none left": (
        [ehr.a14("W"), ehr.a14("W"), ehr.a27()],
        ["W designated marked", "W withdrawn cancelled"],
    ),
    "arrival consumes the mark: moving on does not bring it back": (
        [ehr.a14("W"), ehr.a02("W"), ehr.a02("X")],
        ["W designated marked", "W arrived moved-in"],
    ),
    "an arrival that was wrong opens it again": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a02("W"), ehr.a12("ER")],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a cancel without a place restores the earlier one": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a02("W"), ehr.a12()],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a cancel takes back what was, and not what came after it": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a02("X"), ehr.a12(), ehr.a02("W")],
        ["W designated marked", "W arrived moved-in"],
    ),
    "a cancel sets the place it carries": (
        [ehr.a14("W"), ehr.a02("X"), ehr.a12("W"), ehr.a08(place={"ward": "X"})],
        ["W designated marked", "W arrived moved-in"],
    ),
    "an update may cancel a movement by its id": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.z99("m1"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "first seen where marked is fulfilled in silence": ([ehr.row("W", "W"), ehr.row("X")], []),
    "first seen marked and elsewhere is announced": (
        [ehr.row("X", "W")],
        ["W designated marked"],
    ),
    "an outlier is whom the ward should still pull home": (
        [ehr.a14("W"), ehr.a02("X")],
        ["W designated marked"],
    ),
    "a state that repeats the mark while elsewhere brings it back": (
        [ehr.row("X", "W"), ehr.row("W", "W"), ehr.row("X", "W")],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a state without the mark withdraws it": (
        [ehr.row("X", "W"), ehr.row("X")],
        ["W designated marked", "W withdrawn cancelled"],
    ),
    "a state that drops the mark as the patient comes has told of an arrival": (
        [ehr.row("X", "W"), ehr.row("W")],
        ["W designated marked", "W arrived moved-in"],
    ),
    "an event that does not speak of the mark leaves it": (
        [ehr.a14("W"), ehr.a08(), ehr.a16(T)],
        ["W designated marked"],
    ),
    "an update that repeats a fulfilled mark adds nothing": (
        [ehr.a14("W"), ehr.a02("W"), ehr.a02("X"), ehr.a08(mark={"ward": "W"})],
        ["W designated marked", "W arrived moved-in"],
    ),
    "an update that clears the mark corrects": (
        [ehr.a14("W"), ehr.a08(mark=None)],
        ["W designated marked", "W withdrawn corrected"],
    ),
    "a new mark for the ward of a fulfilled one is new": (
        [ehr.a14("W"), ehr.a02("W"), ehr.a02("X"), ehr.a15("W")],
        ["W designated marked", "W arrived moved-in", "W designated marked"],
    ),
    "a cancelled admission ends the visit": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a11(), ehr.a02("X")],
        ["W designated marked", "W withdrawn cancelled"],
    ),
    "a discharge withdraws": (
        [ehr.a14("W"), ehr.a03(), ehr.a08()],
        ["W designated marked", "W withdrawn discharged"],
    ),
    "a discharge that was wrong opens it again": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a03(), ehr.a13("ER")],
        ["W designated marked", "W withdrawn discharged", "W designated reopened"],
    ),
    "a later admission reopens the visit, without the old mark": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a03(), ehr.a01("ER")],
        ["W designated marked", "W withdrawn discharged"],
    ),
    "a later plan reopens the visit": (
        [ehr.a01("ER"), ehr.a03(), ehr.a14("W")],
        ["W designated marked"],
    ),
    "a cancelled admission can be planned again": (
        [ehr.a01("ER"), ehr.a11(), ehr.a14("W")],
        ["W designated marked"],
    ),
    "nothing but a plan, an admission or a state reopens what was discharged": (
        [ehr.a14("W"), ehr.a03(), ehr.a02("X"), ehr.a08(mark={"ward": "V"})],
        ["W designated marked", "W withdrawn discharged"],
    ),
    "tracking to where the patient is to stay is an arrival": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a10("W"), ehr.a10("X")],
        ["W designated marked", "W arrived moved-in"],
    ),
    "its cancel is that of an arrival": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a10("W"), ehr.a32("ER")],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a temporary place is no arrival, and its cancel none that was wrong": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a09(temporary="W"),
            ehr.a10(temporary="W"),
            ehr.a32(),
            ehr.a33(),
            ehr.a02("W"),
        ],
        ["W designated marked", "W arrived moved-in"],
    ),
    "who is elsewhere for a while is still where they stay": (
        [ehr.a01("W"), ehr.a10(temporary="XRAY"), ehr.a14("W")],
        [],
    ),
    "a cancelled departure cancels no arrival": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a10("W"), ehr.a09(), ehr.a33()],
        ["W designated marked", "W arrived moved-in"],
    ),
    "two marks in one second: the sender's sequence decides": (
        [ehr.a14("W1", at=T), ehr.a14("W2", at=T)],
        ["W1 designated marked", "W1 withdrawn redesignated", "W2 designated marked"],
    ),
    "a mark and its cancel in one second": (
        [ehr.a14("W", at=T), ehr.a27("W", at=T)],
        ["W designated marked", "W withdrawn cancelled"],
    ),
    "a movement is annulled by its id, wherever it sorts": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.a02("X", movement="m2"),
            ehr.a12(movement="m1"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a cancel that arrives before its movement": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a12("ER", movement="m1"), ehr.a02("W", movement="m1")],
        ["W designated marked"],
    ),
    "a cancel that names a movement leaves the movements of other ids alone": (
        [ehr.a14("W"), ehr.a02("W", movement="m1"), ehr.a12(movement="m9")],
        ["W designated marked", "W arrived moved-in"],
    ),
    "who moved to a ward that nobody can read has left the old one": (
        [ehr.a01("W"), ehr.unread(What.TRANSFERRED), ehr.a14("W")],
        ["W designated marked"],
    ),
    "who moved to a ward that nobody can read has not come": (
        [ehr.a14("W"), ehr.unread(What.ADMITTED), ehr.a02("W"), ehr.unread(What.TRACKED)],
        ["W designated marked", "W arrived moved-in"],
    ),
    "a cancel gives the earlier place back, whatever it says and nobody can read": (
        [ehr.a01("W"), ehr.a02("X"), ehr.unread(What.TRANSFER_CANCELLED), ehr.a14("W")],
        [],
    ),
    "a movement told again went there from the beginning": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.retold("m1", "V"),
            ehr.a08(place={"ward": "W"}),
        ],
        [
            "W designated marked",
            "W arrived moved-in",
            "W designated reopened",
            "W arrived moved-in",
        ],
    ),
    "an earlier movement that went elsewhere was no arrival": (
        [
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.a02("X", movement="m2"),
            ehr.retold("m1", "V", past=minutes(3)),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "an earlier movement that went to the ward was an arrival, and moves nobody now": (
        [
            ehr.a14("W"),
            ehr.a02("V", movement="m1"),
            ehr.a02("X", movement="m2"),
            ehr.retold("m1", "W", past=minutes(3)),
            ehr.a15("W"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated marked"],
    ),
    "also of a movement that nobody had told of at first": (
        [
            ehr.a14("W", at=minutes(501)),
            ehr.retold("m1", "V", past=minutes(502)),
            ehr.retold("m1", "W", past=minutes(503)),
            ehr.retold("m1", "V", past=minutes(503)),
            ehr.a12(movement="m1"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "an update may be such a cancel, and leads nowhere itself": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("V", movement="m1"),
            ehr.retold("m1", "W"),
            ehr.z99("m1"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a telling of now is corrected by the next like any other": (
        [
            ehr.a14("W"),
            ehr.a02("V", movement="m1"),
            ehr.retold("m1", "W"),
            ehr.retold("m1", "U", past=minutes(3)),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "what a cancel gave back goes with the movement that had led there": (
        [
            ehr.a02("V"),
            ehr.a14("W"),
            ehr.a02("W"),
            ehr.a02("V"),
            ehr.a12("W"),
            ehr.a12("V"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "and is told again with it": (
        [
            ehr.a14("W"),
            ehr.a02("V", movement="m1"),
            ehr.a02("X", movement="m2"),
            ehr.a12("V", movement="m2"),
            ehr.retold("m1", "W", past=minutes(3)),
            ehr.a15("W"),
        ],
        ["W designated marked", "W arrived moved-in"],
    ),
    "a movement told again took place when it was told first": (
        [
            ehr.a02("V", at=minutes(701), movement="m1"),
            ehr.a02("X", at=minutes(702), movement="m2"),
            ehr.a14("W", at=minutes(703)),
            ehr.retold("m1", "W", past=minutes(704)),
        ],
        ["W designated marked"],
    ),
    "a cancel strikes a movement of the past by its id": (
        [
            ehr.a14("W", at=minutes(601)),
            ehr.a02("X", at=minutes(602)),
            ehr.retold("m9", "W", action="insert", past=minutes(603)),
            ehr.a12(movement="m9"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "of two retellings the last one holds": (
        [
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.retold("m1", "V"),
            ehr.retold("m1", "U", past=minutes(3)),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a cancel annuls all that was told of its movement": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("V", movement="m1"),
            ehr.retold("m1", "W"),
            ehr.a12(movement="m1"),
        ],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "a cancel without an id too": (
        [
            ehr.a01("ER"),
            ehr.a14("W"),
            ehr.a02("W", movement="m1"),
            ehr.retold("m1", "V"),
            ehr.a12(),
            ehr.a15("V"),
        ],
        [
            "W designated marked",
            "W arrived moved-in",
            "W designated reopened",
            "W withdrawn redesignated",
            "V designated marked",
        ],
    ),
    "a movement of the past that nobody had told of was an arrival in its time": (
        [
            ehr.a01("ER", at=minutes(300)),
            ehr.a14("W", at=minutes(301)),
            ehr.a02("X", at=minutes(303)),
            ehr.retold("m9", "W", action="insert", past=minutes(302)),
        ],
        ["W designated marked", "W arrived moved-in"],
    ),
    "before the mark it was none, and without a time nobody knows": (
        [
            ehr.a01("ER", at=minutes(400)),
            ehr.a14("W", at=minutes(402)),
            ehr.retold("m8", "W", action="insert", past=minutes(401)),
            ehr.retold("m9", "W", action="insert", past=minutes(403)).model_copy(
                update={"occurred_at": None}
            ),
        ],
        ["W designated marked"],
    ),
    "each cancel annuls one move more": (
        [ehr.a01("ER"), ehr.a14("W"), ehr.a02("W"), ehr.a02("X"), ehr.a12(), ehr.a12()],
        ["W designated marked", "W arrived moved-in", "W designated reopened"],
    ),
    "expected time, place and doctor change; what a ward does not see does not": (
        [
            ehr.a14("W", expected_at=T),
            ehr.a08(expected_at=minutes(9)),
            ehr.a14("W/12"),
            ehr.a08(admitting_doctor="D1"),
            ehr.a08(planned_discharge_at=T, visit_class="I", responsible_ward="V", on_leave=True),
        ],
        ["W designated marked", *["W changed updated"] * 3],
    ),
}

now = Source(counts=False)
BEFORE: Final = [now.a01("ER", at=minutes(1)), now.a15("W1", at=minutes(2))]
"""Of a sender whose clocks tick in seconds and who counts nothing."""

IN_ONE_SECOND: Final[dict[str, tuple[list[Observation], list[str], str]]] = {
    "a plan cancelled and made anew stands": (
        [now.a27(at=T), now.a15("W2", at=T)],
        ["W2"],
        "ER",
    ),
    "also where the cancel names the ward of both": (
        [now.a27("W1", at=T), now.a15("W1", at=T)],
        ["W1"],
        "ER",
    ),
    "a plan made and cancelled is gone": ([now.a15("W2", at=T), now.a27(at=T)], [], "ER"),
    "also where the cancel names it": ([now.a15("W2", at=T), now.a27("W2", at=T)], [], "ER"),
    "a second cancel takes the new plan back": (
        [now.a27(at=T), now.a15("W2", at=T), now.a27(at=T)],
        [],
        "ER",
    ),
    "a plan, its cancel and the next plan": (
        [now.a15("W2", at=T), now.a27(at=T), now.a15("W3", at=T)],
        ["W3"],
        "ER",
    ),
    "a mark that is only repeated goes with its cancel": (
        [now.a08(mark={"ward": "W1"}, at=T), now.a27(at=T)],
        [],
        "ER",
    ),
    "a transfer cancelled and made anew is an arrival": (
        [now.a02("X", at=minutes(3)), now.a12("ER", at=T), now.a02("W1", at=T)],
        [],
        "W1",
    ),
    "also by movement id": (
        [
            now.a02("X", at=minutes(3), movement="m1"),
            now.a12("ER", at=T, movement="m1"),
            now.a02("W1", at=T, movement="m2"),
        ],
        [],
        "W1",
    ),
    "a transfer made and cancelled was none": (
        [now.a02("W1", at=T), now.a12("ER", at=T)],
        ["W1"],
        "ER",
    ),
    "a discharge cancelled and an admission where they lie now": (
        [now.a03(at=minutes(3)), now.a13("ER", at=T), now.a01("W1", at=T)],
        [],
        "W1",
    ),
    "an admission cancelled, made anew and planned": (
        [now.a11(at=T), now.a01("ER2", at=T), now.a14("W1", at=T)],
        ["W1"],
        "ER2",
    ),
    "a discharge before the next admission": ([now.a03(at=T), now.a01("ER2", at=T)], [], "ER2"),
    "a plan before the arrival": ([now.a15("W2", at=T), now.a02("W2", at=T)], [], "W2"),
    "a plan after the arrival": ([now.a02("W2", at=T), now.a15("W3", at=T)], ["W3"], "W2"),
}
"""What is said in one second after :data:`BEFORE`, which wards wait then, where the patient is."""
