"""What can be found of MSH in bytes that are no message, so that the answer says which one it answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import ack
from adapters.hl7v2.errors import NotHl7Error
from adapters.hl7v2.header import header_of
from tests.hl7v2.lab import RECEIVED_AT, message

PLAIN = b"MSH|^~\\&|EHR|NORR|WB|REG|20260115||ADT^A01|C1|P|2.5.1|||||SE|8859/1\rPID|1\r"
NO = ack.of_error(NotHl7Error("no", "MSH"))


def control_id(payload: bytes) -> str | None:
    known = header_of(payload)
    return known.header.raw(10) if known else None


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (message("A01") + b"PID|x", "C1"),
        (PLAIN[:60], "C1"),
        (PLAIN.replace(b"EHR", "SÖS".encode("latin-1")), "C1"),
        (PLAIN.replace(b"^~\\&", b"^~\\\\&"), "C1"),
        (PLAIN.replace(b"^~\\&", b""), "C1"),
        (PLAIN.replace(b"|", b"#"), "C1"),
        (PLAIN.replace(b"|", b"\x01"), "C1"),
        (PLAIN.replace(b"|", b" "), "C1"),
        (b"PID|1\r" + PLAIN, "C1"),
        (b"FHS|^~\\&\rBHS|^~\\&\r" + PLAIN, "C1"),
        (b"\x00\x00 \xef\xbb\xbf" + PLAIN, "C1"),
        (b"rubbish " + PLAIN, "C1"),
        (PLAIN.decode().encode("utf-16-le"), "C1"),
        (b"\xff\xfe" + PLAIN.decode().encode("utf-16-le"), "C1"),
        (b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"), "C1"),
        (b"MSH|^~\\&|a\nPID", ""),
        (b"MSH", None),
        (b"nothing", None),
        (b"the field MSH|9 is wrong", None),
        (b"", None),
    ],
)
def test_the_control_id_is_found_wherever_it_stands(payload: bytes, found: str | None) -> None:
    assert control_id(payload) == found


@pytest.mark.parametrize(
    ("name", "codec"), [("Öst", "latin-1"), ("Öst", "utf-8"), ("Ж", "cp1251"), ("王", "gb18030")]
)
def test_names_go_back_in_the_bytes_in_which_they_came(name: str, codec: str) -> None:
    payload = PLAIN.replace(b"EHR", name.encode(codec)).replace(b"8859/1", b"UNICODE UTF-16")
    answer = ack.acknowledgement(header_of(payload), NO, RECEIVED_AT, "N1")
    assert answer is not None
    assert answer.startswith(b"MSH|^~\\&|WB|REG|" + name.encode(codec) + b"|NORR|")
    assert b"\rMSA|AR|C1\r" in answer


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN.replace(b"^~\\&", b"^^^^"),
        PLAIN.replace(b"|", b"\x01"),
        PLAIN.replace(b"|", b"\x01").replace(b"EHR", b"E|R"),
    ],
)
def test_delimiters_that_cannot_be_used_are_not_used_in_the_answer(payload: bytes) -> None:
    answer = ack.acknowledgement(header_of(payload), NO, RECEIVED_AT, "N1")
    assert answer is not None
    assert answer.startswith(b"MSH|^~\\&|WB|REG|E")
    assert b"\rMSA|AR|C1\r" in answer


@given(st.binary(max_size=200), st.binary(max_size=80), st.sampled_from([0, 20, 60, len(PLAIN)]))
def test_any_bytes_have_a_header_or_none(front: bytes, back: bytes, length: int) -> None:
    known = header_of(front + PLAIN[:length] + back)
    answer = ack.acknowledgement(known, NO, RECEIVED_AT, "N1", always=True)
    if answer is not None:
        segments = answer.decode(known.codec if known else "utf-8").split("\r")
        assert [each[:3] for each in segments] == ["MSH", "MSA", "ERR", ""]
