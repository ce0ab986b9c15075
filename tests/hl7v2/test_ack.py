"""Acknowledgements: codes by mode, MSA-2, ERR, and nothing of the patient."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.hl7v2 import ack, reader
from adapters.hl7v2.errors import LogUnavailableError, NotHl7Error
from adapters.hl7v2.limits import MAX_ECHO_CHARS
from adapters.hl7v2.reader import Message
from tests.hl7v2.lab import message

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
AE = ack.of_error(LogUnavailableError("nothing was stored: send it again"))
AR = ack.of_error(NotHl7Error("it does not begin with MSH", "MSH"))


def _answer(
    asked: Message | None, verdict: ack.AckVerdict, *, always: bool = False
) -> Message | None:
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
    verdict = ack.AckVerdict(
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
    ("declared", "codec", "named"),
    [
        ("8859/1", "latin-1", "8859/1"), ("UNICODE UTF-8", "utf-8", "UNICODE UTF-8"), ("", "utf-8", ""),
        ("", "latin-1", ""), ("UNICODE UTF-8", "latin-1", ""), ("8859/1", "utf-8", ""),
        ("8859/1", "cp1252", ""), ("8859/15", "iso8859-15", "8859/15"),
    ],
)  # fmt: skip
def test_the_sender_can_read_the_answer(declared: str, codec: str, named: str) -> None:
    name = "Š-Öst" if codec in {"cp1252", "iso8859-15"} else "Öst"
    asked = reader.read(message("A15", msh={3: name, 18: declared}).decode().encode(codec))
    answer = ack.acknowledgement(asked, AR, NOW, "N1")
    assert answer is not None
    assert answer.decode(codec).split("\r")[0].split("|")[4] == name
    assert answer.decode(codec).split("\r")[0].split("|")[17] == named


@pytest.mark.parametrize("control_id", ["C1\x00", "C\x7f1", "\x1cC1", "C1\x01"])
def test_nothing_in_an_answer_ends_its_frame(control_id: str) -> None:
    asked = reader.read(message("A15", msh={10: control_id, 3: "E\x1cHR"}))
    answer = ack.acknowledgement(asked, ack.YES, NOW, "N1")
    assert answer is not None
    assert answer.replace(b"\r", b"").decode().isprintable()
    assert b"|C1\r" in answer


def test_an_answer_repeats_no_more_than_a_field_can_hold() -> None:
    asked = reader.read(message("A15", msh={10: "9" * 800_000, 3: "E" * 10_000}))
    answer = ack.acknowledgement(asked, ack.YES, NOW, "N1")
    assert answer is not None
    assert len(answer) < 1_000
    assert b"9" * MAX_ECHO_CHARS + b"\r" in answer
