"""More than one MSH in what should be one message: in review whole, with one answer."""

from __future__ import annotations

import pytest

from adapters.hl7v2 import reader
from adapters.hl7v2.ack import _location
from adapters.hl7v2.batch import split
from adapters.hl7v2.errors import SeveralMessagesError
from adapters.hl7v2.locating import locate
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, observed, reason

FIRST, SECOND = message("A14", {42: "W1"}), message("A27", {42: "W2"}, msh={10: "C2"})
OTHER = SECOND.replace(b"|", b"#")
SEVERAL = {
    "one after the other": FIRST + SECOND,
    "LF between segments": (FIRST + SECOND).replace(b"\r", b"\n"),
    "CRLF between segments": (FIRST + SECOND).replace(b"\r", b"\r\n"),
    "no line end between them": FIRST[:-1] + SECOND,
    "blanks before the second": FIRST + b"  " + SECOND,
    "a mark of the byte order before the second": FIRST + b"\xef\xbb\xbf" + SECOND,
    "NUL before the second": FIRST + b"\x00" + SECOND,
    "other delimiters": FIRST + OTHER,
    "the header alone": FIRST + b"MSH|",
    "its name alone": FIRST + b"MSH",
    "its name and a blank": FIRST + b"MSH |^~\\&|",
    "the same header twice": FIRST.split(b"\r")[0] + b"\r" + FIRST,
    "two headers in one line": FIRST.split(b"\r")[0] + FIRST,
    "three": FIRST + SECOND + FIRST,
    "a line feed amid CR": FIRST[:-1] + b"\n" + SECOND,
}
SINGLE = {
    "a text that names MSH": message("A14", {42: "W1"}, "NTE|1||see MSH|and MSH"),
    "a text that begins with MSH": message("A14", {42: "W1"}, "NTE|1||MSH"),
    "a segment with a longer name": message("A14", {42: "W1"}, "ZMSH|1"),
    "a line of text behind a line feed": message("A14", {42: "W1"}, "NTE|1||one\nMSH of two"),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_several_messages_in_a_frame_are_in_review_whole(case: str) -> None:
    outcome = normaliser().normalise(SEVERAL[case], RECEIVED_AT)
    assert (outcome.verdict, outcome.reason, outcome.observations) == (
        "review",
        "several-messages",
        (),
    )
    assert "another MSH begins" in outcome.detail
    with pytest.raises(SeveralMessagesError):
        reader.read(SEVERAL[case])


@pytest.mark.parametrize("case", SINGLE)
def test_the_letters_msh_in_a_text_are_no_message(case: str) -> None:
    assert observed(SINGLE[case]).trigger == "A14"


@pytest.mark.parametrize("case", SEVERAL)
def test_in_a_file_none_of_them_is_lost(case: str) -> None:
    found = [reason(each) for each in split(SEVERAL[case]).messages]
    whole = ("review", "several-messages")
    assert whole in found or len(found) > 1
    assert b"\r".join(split(SEVERAL[case]).messages).count(b"MSH") == SEVERAL[case].count(b"MSH")


@pytest.mark.parametrize("case", SEVERAL)
def test_the_other_message_is_marked(case: str) -> None:
    payload = SEVERAL[case]
    outcome = normaliser().normalise(payload, RECEIVED_AT)
    assert outcome.where == "MSH[2]"
    failed = locate(payload, outcome.where).failed
    assert failed is not None
    assert failed.start > 0
    assert payload[failed.start :].startswith(b"MSH")
    assert b"\r" not in payload[failed.start : failed.end]


def test_a_place_of_a_segment_that_is_not_there_marks_nothing() -> None:
    assert locate(FIRST, "MSH[2]").failed is None


def test_the_answer_names_the_segment_and_which() -> None:
    assert _location("MSH[2]") == "MSH^2"


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ((), "there is no MRG"),
        (("MRG|2",), None),
        (("PID|||5^^^LAB^MR",), "there is no MRG"),
    ],
)
def test_of_a_merge_it_is_said_what_is_missing(segments: tuple[str, ...], told: str | None) -> None:
    outcome = normaliser().normalise(message("A40", {}, *segments), RECEIVED_AT)
    if told is None:
        assert outcome.reason == "accepted"
        return
    assert (outcome.reason, outcome.where) == ("merge-unreadable", "MRG-1")
    assert told in outcome.detail


def test_of_a_merge_whose_patient_stands_behind_it_the_order_is_said() -> None:
    lines = message("A40", {}, "MRG|2").decode().split("\r")
    lines.insert(2, lines.pop(lines.index("MRG|2")))
    outcome = normaliser().normalise("\r".join(lines).encode(), RECEIVED_AT)
    assert outcome.reason == "merge-unreadable"
    assert "its PID must stand before it" in outcome.detail
