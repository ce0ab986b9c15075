"""Files of messages are split, and trailers are compared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import reader
from adapters.hl7v2.batch import split
from adapters.hl7v2.errors import Hl7Error

A, B = b"MSH|^~\\&|a\rPID|1", b"MSH|^~\\&|b\rPID|2"


@pytest.mark.parametrize(
    "between",
    [
        b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n \n", b"\x1c\r\x0b", b"\x1c\r\n\x0b", b"\r ", b"\r\t",
        b"\r\x00", b"\n\xef\xbb\xbf", b"\r\n\xef\xbb\xbf\xef\xbb\xbf ", b"\x0c", b"\r\x0b\x00 ", b"\x1a\r",
    ],
)  # fmt: skip
def test_several_in_a_row(between: bytes) -> None:
    assert split(b"\x0b" + A + between + B + b"\x1c\r").messages == (A, B)


def test_one_and_none() -> None:
    assert split(A).messages == (A,)
    assert split(b"\xef\xbb\xbf" + A + b"\r\n").messages == (A,)
    assert split(b" \r\n").messages == ()


def test_what_is_no_message_is_a_message_of_its_own() -> None:
    assert split(b"fax\r" + A).messages == (b"fax", A)


def _batch(counted: bytes, batches: bytes = b"1") -> bytes:
    lines = (b"FHS|^~\\&|x", b"BHS|^~\\&|x", A, B, b"BTS|" + counted, b"FTS|" + batches, b"")
    return b"\r".join(lines)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (_batch(b"2"), []),
        (_batch(b""), []),
        (_batch(b"3"), ["BTS-1"]),
        (_batch(b"2", b"2"), ["FTS-1"]),
        (_batch(b"1", b"7"), ["BTS-1", "FTS-1"]),
        (_batch(b"2|comment"), []),
    ],
)
def test_trailers_count(content: bytes, where: list[str]) -> None:
    found = split(content)
    assert found.messages == (A, B)
    assert [trouble.where for trouble in found.troubles] == where
    assert {trouble.reason for trouble in found.troubles} <= {"batch-count-differs"}


def test_each_batch_of_a_file_counts_for_itself() -> None:
    lines = (b"FHS|", b"BHS|", A, b"BTS|1", b"BHS|", A, B, b"BTS|2", b"FTS|2")
    found = split(b"\n".join(lines))
    assert (len(found.messages), found.troubles) == (3, ())


def test_a_batch_ends_with_its_trailer_also_where_the_next_has_no_header() -> None:
    assert split(b"\n".join((A, b"BTS|1", A, B, b"BTS|2", b"FTS|2"))).troubles == ()


def test_messages_before_a_batch_are_not_counted_with_it() -> None:
    found = split(b"\n".join((A, b"BHS|", B, b"BTS|1")))
    assert (found.messages, found.troubles) == ((A, B), ())


@pytest.mark.parametrize("line", [b"FHS|x", b"BHS|x", b"BTS|1", b"FTS|1"])
def test_segments_behind_a_header_or_trailer_are_of_no_message_before(line: bytes) -> None:
    assert split(A + b"\r" + line + b"\rPID|2\rPV1|1").messages == (A, b"PID|2\rPV1|1")


_PIECES = st.sampled_from(
    [A, B, b"FHS|x", b"BHS|x", b"BTS|1", b"FTS|1", b"PID|9", b"fax", b"\xef\xbb\xbf", b" ", b"\x00", b"",
     b"MSH", b"MSH |", b"MSHAB|"]
)  # fmt: skip
_BETWEEN = st.sampled_from([b"\r", b"\n", b"\r\n", b"\x1c\r\x0b", b"", b" ", b"\x0c"])


@given(st.lists(st.tuples(_PIECES, _BETWEEN), max_size=9))
def test_nothing_of_a_file_is_lost_and_no_two_messages_are_one(
    pieces: list[tuple[bytes, bytes]],
) -> None:
    content = b"".join(part for piece in pieces for part in piece)
    messages = split(content).messages
    kept = b"\r".join(messages)
    headers = re.compile(rb"(?:FHS|BHS|BTS|FTS)\|[^\r\n\x0b\x1c]*")
    for word in re.findall(rb"[A-Za-z0-9|^~\\&]+", headers.sub(b"", content)):
        assert word in kept or headers.search(content)
    for message in messages:
        try:
            read = reader.read(message)
        except Hl7Error:
            continue
        assert not re.search(r"(?:\A|\r)MSH(?![A-Za-z0-9])", read.body())
        assert message.count(b"MSH|^~\\&") == 1
