"""A correction by Z99 makes everything as if the event had been told right at once.

Every event of every story is told wrong (another ward, another time) and corrected afterwards, or not told
at all and only corrected; the wards and the census must end as they do when it is told right.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from random import Random
from typing import NamedTuple

import pytest

from tests.router.hearing import Router
from tests.wards.hospital import Hospital

WARDS = ("W1", "W2", "ED")


class Step(NamedTuple):
    """An event, and where it leads or what it marks (``place``: where they lie meanwhile)."""

    event: str
    ward: str = ""
    place: str = ""


STORIES: dict[str, list[Step]] = {
    "planned and come": [Step("A01", "ED"), Step("A15", "W1", "ED"), Step("A02", "W1")],
    "planned from home, come and gone on": [
        Step("A05", "W1"), Step("A01", "ED"), Step("A02", "W1"), Step("A02", "W2"),
    ],
    "admitted elsewhere, to leave and left": [
        Step("A14", "W1"), Step("A04", "W2"), Step("A16"), Step("A03"),
    ],
    "moved by mistake, then tracked": [
        Step("A01", "ED"), Step("A14", "W1", "ED"), Step("A02", "W2"), Step("A12", "ED"),
        Step("A10", "W1"),
    ],
    "discharged by mistake": [
        Step("A01", "ED"), Step("A14", "W1", "ED"), Step("A03"), Step("A13", "ED"), Step("A02", "W1"),
    ],
    "planned and taken back": [Step("A01", "ED"), Step("A15", "W1", "ED"), Step("A26", "W1")],
    "taken in, and out again": [
        Step("A04", "ED"), Step("A14", "W1", "ED"), Step("A06", "W1"), Step("A07", "ED"),
    ],
    "admitted by mistake": [Step("A01", "ED"), Step("A14", "W1", "ED"), Step("A11")],
    "here and again": [
        Step("A01", "W2"), Step("A03"), Step("A01", "ED"), Step("A15", "W1", "ED"), Step("A02", "W1"),
    ],
}  # fmt: skip
_PLANS = {"A05", "A14", "A15", "A26"}
_LEADS = {"A01", "A02", "A04", "A06", "A07", "A10", "A12", "A13"}
_CANCELS = {"A11", "A12", "A13", "A26"}


def message(at: int, step: Step, event: str | None = None, zbe: str = "") -> bytes:
    """The step at a minute, as its own event or as another that tells of it."""
    now = f"202603020900{at:02}" if at < 60 else f"2026030210{at - 60:02}00"
    place = step.ward if step.event in _LEADS else step.place
    pending = step.ward if step.event in _PLANS else ""
    leaves = f"2026030{3 if step.ward else 4}120000"
    pv1 = f"PV1|1|I|{place}" + "|" * 16 + "V1" + "|" * 23 + pending
    lines = [
        f"MSH|^~\\&|EHR|H|WB|WB|{now}||ADT^{event or step.event}|C{at}|P|2.5",
        f"EVN||{now}", "PID|||P1^^^H^MR", pv1,
    ]  # fmt: skip
    lines += [f"PV2|||||||||{leaves}"] if step.event == "A16" else []
    return "\r".join([*lines, f"ZBE|{zbe}", ""]).encode()


def told(steps: list[Step]) -> Iterator[bytes]:
    for at, step in enumerate(steps):
        yield message(at, step, zbe=f"M{at}|202603020900{at:02}||INSERT|N")


def correction(steps: list[Step], at: int, said_at: int) -> bytes:
    """What the event at that place was, told later."""
    step = steps[at]
    later = any(each.event in _LEADS | {"A03", "A11"} for each in steps[at + 1 :])
    historic = "Y" if later and step.event in _LEADS - _CANCELS else "N"
    zbe = f"M{at}|202603020900{at:02}||UPDATE|{historic}|{step.event}"
    return message(said_at, step, "Z99", zbe)


def ends(router: Router) -> tuple[object, ...]:
    views = [
        {name: value for name, value in view.items() if name != "last_at"}
        for view in router.encounters.values()
    ]
    return router.open, views


PLACES = [(story, at) for story, steps in STORIES.items() for at in range(len(steps))]


@pytest.mark.parametrize(("story", "at"), PLACES)
def test_what_was_told_wrong_and_is_corrected_was_always_right(story: str, at: int) -> None:
    steps, random = STORIES[story], Random(story)
    right = Hospital().send(*told(steps))
    for ward in [each for each in WARDS if each != steps[at].ward]:
        wrong = [*steps[:at], steps[at]._replace(ward=ward), *steps[at + 1 :]]
        hospital = Hospital().send(*told(wrong), correction(steps, at, 60))
        assert hospital.reasons == ["accepted"] * (len(steps) + 1)
        assert ends(hospital.router) == ends(right.router), ward
        for _ in range(10):
            said = random.sample(hospital.observations, len(hospital.observations))
            assert ends(Router().hear(*said)) == ends(right.router), ward


@pytest.mark.parametrize(("story", "at"), PLACES)
def test_also_corrected_before_the_next_event(story: str, at: int) -> None:
    steps = STORIES[story]
    right = Hospital().send(*told(steps))
    wrong = [*steps[:at], steps[at]._replace(ward="X"), *steps[at + 1 :]]
    messages = list(told(wrong))
    corrects = correction(steps[: at + 1], at, at)
    hospital = Hospital().send(*chain(messages[: at + 1], [corrects], messages[at + 1 :]))
    assert ends(hospital.router) == ends(right.router)


@pytest.mark.parametrize(("story", "at"), PLACES)
def test_what_was_never_told_and_is_corrected_is_told_by_that(story: str, at: int) -> None:
    steps, random = STORIES[story], Random(story)
    right = Hospital().send(*told(steps))
    messages = list(told(steps))
    messages[at] = correction(steps[: at + 1], at, at)
    hospital = Hospital().send(*messages)
    assert ends(hospital.router) == ends(right.router)
    for _ in range(10):
        said = random.sample(hospital.observations, len(hospital.observations))
        assert ends(Router().hear(*said)) == ends(right.router)


@pytest.mark.parametrize(("story", "at"), PLACES)
def test_a_correction_that_says_it_twice_says_it_once(story: str, at: int) -> None:
    steps = STORIES[story]
    right = Hospital().send(*told(steps))
    twice = [correction(steps, at, minute) for minute in (60, 61)]
    assert ends(Hospital().send(*told(steps), *twice).router) == ends(right.router)


CANCEL = {"A01": "A11", "A02": "A12", "A03": "A13", "A05": "A38", "A14": "A27", "A15": "A26",
          "A16": "A25", "A10": "A32"}  # fmt: skip


@pytest.mark.parametrize(
    ("story", "at"), [(story, at) for story, at in PLACES if STORIES[story][at].event in CANCEL]
)
def test_cancelled_by_its_movement_under_any_event_is_cancelled(story: str, at: int) -> None:
    """As its own cancel, as the event with ZBE-4 CANCEL, as a Z99, after a correction, and before it."""
    steps = STORIES[story]
    event = steps[at].event
    own = message(70, steps[at], CANCEL[event], f"M{at}|||CANCEL|N|{event}")
    as_itself = message(70, steps[at], event, f"M{at}|||CANCEL|Y|{event}")
    as_z99 = message(70, steps[at], "Z99", f"M{at}|||CANCEL|Y|{event}")
    found = []
    for cancel in (as_itself, as_z99):
        found.append(ends(Hospital().send(*told(steps), cancel).router))
        corrected = Hospital().send(*told(steps), correction(steps, at, 60), cancel)
        found.append(ends(corrected.router))
        found.append(ends(Router().hear(*reversed(corrected.observations))))
    if event in _PLANS | {"A16", "A03"}:
        found.append(ends(Hospital().send(*told(steps), own).router))
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize(
    ("after", "waits"), [([], True), ([Step("A38")], False), ([Step("A11")], False)]
)
def test_a_plan_that_became_a_clinic_s_is_taken_back_by_a_cancel_alone(
    after: list[Step], *, waits: bool
) -> None:
    hospital = Hospital().send(message(0, Step("A05", "W1")))
    hospital.send(message(1, Step("A05", "W1")).replace(b"PV1|1|I|", b"PV1|1|O|"))
    hospital.send(*(message(at, step) for at, step in enumerate(after, 2)))
    assert [each.split()[1] for each in hospital.words] == (
        ["designated"] if waits else ["designated", "withdrawn"]
    )
