"""The reader: delimiters, segments, escapes, three values, strict character sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import reader
from adapters.hl7v2.errors import DelimiterError, Hl7Error, NotHl7Error
from adapters.hl7v2.reader import NULL


@pytest.mark.parametrize(
    "text",
    [
        "MSH|^~\\&|S|F\rPV1||a^b~c^d&e",
        "MSH#^~\\&#S#F\rPV1##a^b~c^d&e",
        "MSH^~|\\&^S^F\rPV1^^a~b|c~d&e",
        "MSH|#!@$|S|F\rPV1||a#b!c#d$e",
        "MSH|^~\\&#|S|F\rPV1||a^b~c^d&e",
    ],
)
def test_delimiters_come_from_msh(text: str) -> None:
    message = reader.read(text.encode())
    pv1 = message.first("PV1")
    assert (message.header.first(3), message.header.first(4)) == ("S", "F")
    assert [pv1.first(2), pv1.first(2, 2)] == ["a", "b"]
    second = pv1.components(pv1.repetitions(2)[1])
    assert [pv1.subcomponents(part) for part in second] == [["c"], ["d", "e"]]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\n"])
def test_segments_end_in_cr_lf_or_both(end: str) -> None:
    message = reader.read(f"MSH|^~\\&|S{end}PID|1{end}PV1|2{end}".encode())
    assert message.first("PV1").raw(1) == "2"
    assert message.body() == "PID|1\rPV1|2"


def test_a_byte_order_mark_or_blank_lines_in_front_do_no_harm() -> None:
    for front in (b"\xef\xbb\xbf", b"\r\n", b" "):
        assert reader.read(front + b"MSH|^~\\&|S|").header.first(3) == "S"


def test_a_lone_line_feed_in_a_text_ends_no_segment() -> None:
    message = reader.read(b"MSH|^~\\&|S\rNTE|one\ntwo\rPV1|2\r")
    assert message.first("NTE").raw(1) == "one\ntwo"
    assert message.first("PV1").raw(1) == "2"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a\\T\\b", "a&b"),
        ("\\F\\\\S\\\\R\\\\E\\", "|^~\\"),
        ("\\X41C3A5\\", "Aå"),
        ("\\XE5\\", "\\XE5\\"),
        ("\\Z9\\x", "\\Z9\\x"),
        ("lone \\ sign", "lone \\ sign"),
        ("\\", "\\"),
        ("\\T", "\\T"),
        ("a\\b\\T\\", "a\\b&"),
    ],
)
def test_escapes(sent: str, read: str) -> None:
    assert reader.read(f"MSH|^~\\&|{sent}|".encode()).header.first(3) == read


def test_three_values() -> None:
    pv1 = reader.read(b'MSH|^~\\&|\rPV1|""||v|^^&~ |""^x').first("PV1")
    assert [pv1.first(n) for n in (1, 2, 3, 9)] == [NULL, "", "v", ""]
    assert [pv1.is_empty(n) for n in (1, 2, 3, 4, 5)] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", NotHl7Error),
        (b"hello", NotHl7Error),
        (b"PID|1\rMSH|^~\\&|", NotHl7Error),
        (b"MSH", NotHl7Error),
        (b"MSH|", NotHl7Error),
        (b"MSH|^^\\&|", DelimiterError),
        (b"MSH|^~\\\\&|", DelimiterError),
        (b"MSHa^~\\&a", DelimiterError),
        (b"MSH|ABCD|", DelimiterError),
    ],
)
def test_what_is_no_message_is_refused(payload: bytes, error: type[Hl7Error]) -> None:
    with pytest.raises(error):
        reader.read(payload)


@given(st.binary(max_size=200), st.sampled_from([b"", b"MSH|^~\\&|", b"MSH|^~\\&|||||||ADT^A01|"]))
def test_reading_anything_gives_a_message_or_an_hl7_error(tail: bytes, head: bytes) -> None:
    try:
        message = reader.read(head + tail)
    except Hl7Error:
        return
    for name in ("MSH", "PID", "ZZZ"):
        segment = message.first(name)
        for field in range(25):
            segment.first(field, 2)
            for repetition in segment.repetitions(field):
                for component in segment.components(repetition):
                    assert segment.subcomponents(component)
