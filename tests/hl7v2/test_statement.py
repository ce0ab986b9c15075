"""What a message says, as sent, told from its bytes; and whether one that is withheld may be a mark."""

from __future__ import annotations

import pytest

from adapters.common.outcome import Trouble
from adapters.hl7v2.profile import Hl7Profile
from adapters.hl7v2.reader import BOM
from adapters.hl7v2.statement import event_of, statement
from schemas.ward import Ward, WardRegister
from tests.hl7v2.lab import OPEN, RECEIVED_AT, message, normaliser

PLAN = message("A14", {42: "NOWHERE^1^2"})
CLOSED = WardRegister([Ward(id="W1", name="One", hospital="North")])


@pytest.mark.parametrize(
    "again",
    [
        message("A14", {42: "NOWHERE^1^2"}, msh={10: "C2"}),
        message("A14", {42: "NOWHERE^1^2"}, msh={7: "20260115130000", 3: "OTHER", 13: "7"}),
        BOM + PLAN,
        b"\r\n" + PLAN,
    ],
    ids=["control id", "time, application, sequence", "a mark of UTF-8", "blank lines before it"],
)
def test_sent_again_it_says_the_same(again: bytes) -> None:
    assert statement(again) == statement(PLAN)


@pytest.mark.parametrize(
    "other",
    [
        message("A15", {42: "NOWHERE^1^2"}),
        message("A14", {42: "NOWHERE^1^3"}),
        message("A14", {42: "NOWHERE^1^2"}, pid="4712^^^LAB^MR"),
        message("A14", {42: "NOWHERE^1^2"}, evn={2: "20260115115901"}),
        b"MSH|^~\\&",
        b"MSH",
        b"",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_anything_else_says_something_else(other: bytes) -> None:
    assert statement(other) != statement(PLAN)


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (PLAN, "A14"),
        (message("a15"), "A15"),
        (PLAN.replace(b"|", b"#").replace(b"^", b"!"), "A14"),
        (PLAN + "å".encode() + b"\xff", "A14"),
        (message("A14", msh={9: "ADT"}), None),
        (message("A14", msh={9: ""}), None),
        (b"MSH|^~\\&|A", None),
        (b"MSH", None),
        (b"fax", None),
        (b"", None),
    ],
)
def test_the_event_is_told_from_bytes_that_cannot_be_read_otherwise(
    payload: bytes, event: str | None
) -> None:
    assert event_of(payload) == event


WITHOUT_VISIT = {19: ""}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (message("A14", WITHOUT_VISIT), True),
        (message("A15", {42: "W1"}, pid=""), True),
        (message("A05", {42: ""}, msh={11: "T"}), True),
        (message("A14", msh={18: "KLINGON"}) + "å".encode(), True),
        (message("A14", msh={9: "ADT"}), True),
        (b"MSH|^~\\&|cut", True),
        (b"half a frame\rMSH|^~\\&|A|||||||", True),
        (message("A27", WITHOUT_VISIT), True),
        (message("A26", WITHOUT_VISIT), True),
        (message("A38", pid=""), True),
        (message("A02", WITHOUT_VISIT), False),
        (message("A08", pid=""), False),
        (message("A17"), False),
        (message("A99"), False),
        (b"GET / HTTP/1.1\r\n", False),
        (b"", False),
    ],
)
def test_a_message_that_is_withheld_may_be_a_mark_by_its_event(
    payload: bytes, *, expected: bool
) -> None:
    trouble = _withheld(payload)
    assert trouble.mark_unread is expected


def test_which_events_may_be_marks_is_the_profile_s_to_say() -> None:
    profile = Hl7Profile(marks={"A08": ("PV1-42",)})
    assert _withheld(message("A08", WITHOUT_VISIT), profile).mark_unread
    assert not _withheld(message("A14", WITHOUT_VISIT), profile).mark_unread


def test_which_events_may_take_a_mark_back_is_the_profile_s_to_say_too() -> None:
    profile = Hl7Profile(cancels={"A08": ("ZTR-2",)})
    assert _withheld(message("A08", WITHOUT_VISIT), profile).mark_unread


def test_a_cancel_of_a_ward_that_nobody_knows_is_a_mark_unread() -> None:
    assert _withheld(message("A27", {42: "NOWHERE^2"}), wards=CLOSED).mark_unread
    profile = Hl7Profile(cancels={"A08": ("ZTR-2",)})
    payload = message("A08", {3: ""}, "ZTR||NOWHERE")
    outcome = normaliser(profile, wards=CLOSED).normalise(payload, RECEIVED_AT)
    found = {each.where: each.mark_unread for each in outcome.warnings}
    assert found == {"ZTR-2": True}


def test_beside_an_accepted_rest_only_the_mark_itself_counts() -> None:
    payload = message("A15", {3: "ELSEWHERE^1", 42: "NOWHERE^2"})
    outcome = normaliser(wards=CLOSED).normalise(payload, RECEIVED_AT)
    found = {each.where: each.mark_unread for each in outcome.warnings}
    assert found == {"PV1-42": True}
    moved = message("A02", {3: "ELSEWHERE^1"})
    outcome = normaliser(wards=CLOSED).normalise(moved, RECEIVED_AT)
    assert {each.where: each.mark_unread for each in outcome.warnings} == {"PV1-3": False}


def _withheld(
    payload: bytes, profile: Hl7Profile | None = None, wards: WardRegister = OPEN
) -> Trouble:
    outcome = normaliser(profile, wards).normalise(payload, RECEIVED_AT)
    assert outcome.trouble is not None
    assert (outcome.reason, outcome.where) == (outcome.trouble.reason, outcome.trouble.where)
    return outcome.trouble
