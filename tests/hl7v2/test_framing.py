"""The framer reads the same frames however the bytes are cut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.framing import HEAD_BYTES, Event, Frame, Framer, Garbage, TooLarge

LIMIT = 3_000
BIG = b"MSH|" + b"x" * LIMIT
A, B = b"MSH|a\rPV1|1\r", b"MSH|b\r"

CASES: dict[str, tuple[bytes, list[Event]]] = {
    "one": (b"\x0b" + A + b"\x1c\r", [Frame(A)]),
    "three in one write": (
        (b"\x0b" + A + b"\x1c\r") * 2 + b"\x0b" + B + b"\x1c\r",
        [Frame(A), Frame(A), Frame(B)],
    ),
    "LF after FS CR": (b"\x0b" + A + b"\x1c\r\n\x0b" + B + b"\x1c\r\n", [Frame(A), Frame(B)]),
    "bytes before VT": (b"noise\x0b" + A + b"\x1c\r", [Garbage(5), Frame(A)]),
    "FS without CR, then another": (b"\x0b" + A + b"\x1c\x0b" + B + b"\x1c", [Frame(A), Frame(B)]),
    "no VT": (A + b"\x1c\r\x0b" + B + b"\x1c\r", [Frame(A), Frame(B)]),
    "given up, then begun anew": (
        b"\x0bMSH|half\x0b" + A + b"\x1c\r",
        [Garbage(len(b"\x0bMSH|half")), Frame(A)],
    ),
    "empty frame": (b"\x0b\x1c\r", [Frame(b"")]),
    "only ends": (b"\x1c\r\x1c\r\r\n", []),
    "not HL7": (b"\x0bhello\x1c\r", [Frame(b"hello")]),
    "LF between segments": (b"\x0bMSH|a\nPV1|1\n\x1c\r", [Frame(b"MSH|a\nPV1|1\n")]),
    "UTF-8 and latin-1": (
        b"\x0b\xc3\xa5\x1c\r\x0b\xe5\x1c\r",
        [Frame(b"\xc3\xa5"), Frame(b"\xe5")],
    ),
    "just within the limit": (b"\x0b" + b"y" * LIMIT + b"\x1c\r", [Frame(b"y" * LIMIT)]),
    "over the limit, then a good one": (
        b"\x0b" + BIG + b"\x1c\r\x0b" + A + b"\x1c\r",
        [TooLarge(BIG[:HEAD_BYTES], len(BIG)), Frame(A)],
    ),
    "three times the limit": (
        b"\x0b" + BIG * 3 + b"\x1c\r",
        [TooLarge(BIG[:HEAD_BYTES], 3 * len(BIG))],
    ),
    "over the limit without VT": (BIG * 3 + b"\x1c", [TooLarge(BIG[:HEAD_BYTES], 3 * len(BIG))]),
    "endless noise, then a good one": (
        b"n" * 20_000 + b"\x0b" + A + b"\x1c\r",
        [Garbage(20_000), Frame(A)],
    ),
    "over the limit and given up": (
        b"\x0b" + BIG * 3 + b"\x0b" + A + b"\x1c\r",
        [Garbage(3 * len(BIG) + 1), Frame(A)],
    ),
}


def _events(pieces: Iterator[bytes]) -> list[Event]:
    framer = Framer(LIMIT)
    return [event for piece in pieces for event in framer.feed(piece)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [1, 2, 7, 1_000_000])
def test_frames_do_not_depend_on_the_pieces(case: str, step: int) -> None:
    content, expected = CASES[case]
    pieces = (content[at : at + step] for at in range(0, len(content), step))
    assert _events(pieces) == expected


_BITS = st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"MSH|a", b"x" * 1_500, b"y" * 4_000])


@given(st.lists(_BITS, max_size=14).map(b"".join), st.lists(st.integers(0, 20_000), max_size=8))
def test_any_cutting_gives_the_same_frames(content: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    pieces = (content[a:b] for a, b in pairwise(bounds))
    assert _events(pieces) == _events(iter([content]))


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_clean_payloads_come_out_as_they_went_in(payloads: list[bytes]) -> None:
    clean = [payload.replace(b"\x0b", b"").replace(b"\x1c", b"") for payload in payloads]
    stream = b"".join(b"\x0b" + payload + b"\x1c\r" for payload in clean)
    assert _events(iter([stream])) == [Frame(payload) for payload in clean]


def test_a_frame_that_never_ends_is_noise_when_the_sender_closes() -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0bMSH|") == []
    assert framer.mid_frame
    assert framer.finish() == [Garbage(5)]
    assert not framer.mid_frame


def test_memory_stays_bounded() -> None:
    framer = Framer(LIMIT)
    framer.feed(b"\x0b")
    for _ in range(1_000):
        framer.feed(b"z" * 1_000)
    assert len(framer._buffer) <= 2 * LIMIT + HEAD_BYTES
    assert framer.feed(b"\x1c") == [TooLarge(b"z" * HEAD_BYTES, 1_000_000)]
