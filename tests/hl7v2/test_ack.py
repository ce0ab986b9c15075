"""Acknowledgements: codes by mode, MSA-2, ERR, and nothing of the patient."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.hl7v2 import ack, reader
from adapters.hl7v2.errors import LogUnavailableError, NotHl7Error
from adapters.hl7v2.reader import Message
from tests.hl7v2.lab import message

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
AE = ack.of_error(LogUnavailableError("nothing was stored: send it again"))
AR = ack.of_error(NotHl7Error("it does not begin with MSH", "MSH"))


def _answer(asked: Message | None, verdict: ack.Verdict, *, always: bool = False) -> Message | None:
    answer = ack.acknowledgement(asked, verdict, NOW, "N1", always=always)
    return None if answer is None else reader.read(answer)


def _asking(accept: str, application: str) -> Message:
    return reader.read(message("A01", msh={15: accept, 16: application}))


@pytest.mark.parametrize(
    ("accept", "application", "yes", "no"),
    [
        ("", "", "AA", "AE"),
        ("AL", "", "CA", "CE"),
        ("AL", "NE", "CA", "CE"),
        ("NE", "AL", "AA", "AE"),
        ("AL", "AL", "AA", "AE"),
        ("", "AL", "AA", "AE"),
        ("NE", "NE", None, None),
        ("ER", "NE", None, "CE"),
        ("NE", "ER", None, "AE"),
        ("AL", "ER", "CA", "AE"),
        ("NE", "SU", "AA", None),
        ("XX", "", "CA", "CE"),
    ],
)
def test_msh_15_and_16_decide(
    accept: str, application: str, yes: str | None, no: str | None
) -> None:
    for verdict, expected in ((ack.YES, yes), (AE, no)):
        answer = _answer(_asking(accept, application), verdict)
        assert (answer and answer.first("MSA").raw(1)) == expected


def test_an_acknowledgement_is_never_answered() -> None:
    asked = reader.read(b"MSH|^~\\&|||||||ACK^A01|7|P|2.5.1\rMSA|AA|C1\r")
    assert _answer(asked, ack.YES, always=True) is None
    assert _answer(asked, AE) is None


def test_a_feed_may_answer_always() -> None:
    answer = _answer(_asking("NE", "NE"), ack.YES, always=True)
    assert answer is not None
    assert answer.first("MSA").raw(1) == "AA"


def test_the_answer_goes_back_to_the_sender_with_its_control_id() -> None:
    asked = reader.read(message("A15", msh={3: "EHR", 4: "N", 5: "WB", 6: "R", 10: "id\\T\\7"}))
    answer = ack.acknowledgement(asked, ack.YES, NOW, "N1")
    assert answer == (
        b"MSH|^~\\&|WB|R|EHR|N|20260115120000+0000||ACK^A15^ACK|N1|P|2.5.1||||||\rMSA|AA|id\\T\\7\r"
    )


def test_the_answer_uses_the_senders_delimiters_and_charset() -> None:
    head = "MSH#*~\\&#Åsa#B#####ADT*A01#9#P#2.3######8859/1\rPID#".encode("latin-1")
    answer = ack.acknowledgement(reader.read(head), AE, NOW, "N1")
    assert answer is not None
    assert "#Åsa#".encode("latin-1") in answer
    read = reader.read(answer)
    assert (read.first("MSA").raw(2), read.header.first(9, 2)) == ("9", "A01")
    assert read.first("ERR").first(3) == "207"


def test_a_no_says_what_where_and_why() -> None:
    verdict = ack.Verdict(
        "AE", "101^Required field missing^HL70357", "visit-missing", "x|y", "PV1-19"
    )
    answer = _answer(_asking("", ""), verdict)
    assert answer is not None
    err = answer.first("ERR")
    assert [err.first(2, n) for n in (1, 2, 3)] == ["PV1", "1", "19"]
    assert (err.first(3), err.raw(4), err.raw(5), err.raw(8)) == (
        "101",
        "E",
        "visit-missing",
        "x y",
    )


def test_ar_is_answered_without_a_readable_msh() -> None:
    answer = _answer(None, AR)
    assert answer is not None
    assert answer.first("MSA").fields == ["MSA", "AR", ""]
    assert answer.first("ERR").first(2) == "MSH"


@pytest.mark.parametrize(
    ("head", "control_id"),
    [(message("A01") + b"PID|x", "C1"), (b"MSH|^~\\&|a\nPID", ""), (b"nothing", None)],
)
def test_the_head_of_a_message_may_be_enough(head: bytes, control_id: str | None) -> None:
    known = ack.header_of(head)
    assert (known and known.header.raw(10)) == control_id
