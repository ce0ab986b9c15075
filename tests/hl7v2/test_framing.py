"""The framer reads the same frames however the bytes are cut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.framing import Event, Frame, Framer, Garbage, TooLarge
from adapters.hl7v2.limits import HEAD_BYTES

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
    "FS in a text": (
        b"\x0bMSH|a\rNTE|a \x1c card\r\x1c\r\x0b" + B + b"\x1c\r",
        [Frame(b"MSH|a\rNTE|a \x1c card\r"), Frame(B)],
    ),
    "FS in each text": (b"\x0bMSH|\x1ca\x1cb\x1c\r", [Frame(b"MSH|\x1ca\x1cb")]),
    "FS twice": (b"\x0b" + A + b"\x1c\x1c\r\x0b" + B + b"\x1c\r", [Frame(A), Frame(B)]),
    "FS LF": (b"\x0b" + A + b"\x1c\n\x0b" + B + b"\x1c\n", [Frame(A), Frame(B)]),
    "FS without CR and NUL": (
        b"\x0b" + A + b"\x1c\x00\x0b" + B + b"\x1c\x00\r\x0b" + A + b"\x1c",
        [Frame(A), Garbage(1), Frame(B), Garbage(1), Frame(A)],
    ),
    "FS without CR as the last of all": (b"\x0b" + A + b"\x1c", [Frame(A)]),
    "FS without CR, then one that is not HL7": (
        b"\x0b" + A + b"\x1c\x0bfax\x1c\r",
        [Frame(A), Frame(b"fax")],
    ),
    "VT in a text": (
        b"\x0bMSH|a\rNTE|a \x0b card\r\x1c\r\x0b" + B + b"\x1c\r",
        [Frame(b"MSH|a\rNTE|a \x0b card\r"), Frame(B)],
    ),
    "begun anew behind a mark of the byte order and blanks": (
        b"\x0bMSH|half\x0b\xef\xbb\xbf\r\n " + A + b"\x1c\r",
        [Garbage(9), Frame(b"\xef\xbb\xbf\r\n " + A)],
    ),
    "NUL between frames": (
        (b"\x0b" + A + b"\x1c\r\x00") * 2 + b"\x00\x0b" + B + b"\x1c\r\x00",
        [Frame(A), Garbage(1), Frame(A), Garbage(2), Frame(B), Garbage(1)],
    ),
    "NUL, then no VT": (b"\x00\x00" + A + b"\x1c\r", [Garbage(2), Frame(A)]),
    "lines of something else, then no VT": (
        b"hello\r\n" + A + b"\x1c\r",
        [Garbage(7), Frame(A)],
    ),
    "no VT and not HL7": (b"hello\x1c\r\x0b" + A + b"\x1c\r", [Garbage(5), Frame(A)]),
    "the rest of a text that an end of a frame stood in": (
        b"\x0b" + A + b"NTE|1\x1c\rNTE|2\r\x1c\r\x0b" + B + b"\x1c\r",
        [Frame(A + b"NTE|1"), Garbage(6), Frame(B)],
    ),
    "no VT, just within the limit, behind much else": (
        b"n" * (HEAD_BYTES - 10) + b"\rMSH" + b"y" * (LIMIT - 3) + b"\x1c\r",
        [Garbage(HEAD_BYTES - 9), Frame(b"MSH" + b"y" * (LIMIT - 3))],
    ),
    "over the limit with marks in its text": (
        b"\x0b" + BIG + b"\x1c \x0bx" + BIG + b"\x1c\r\x0b" + A + b"\x1c\r",
        [TooLarge(BIG[:HEAD_BYTES], 2 * len(BIG) + 4), Frame(A)],
    ),
    "over the limit and given up": (
        b"\x0b" + BIG * 3 + b"\x0b" + A + b"\x1c\r",
        [Garbage(3 * len(BIG) + 1), Frame(A)],
    ),
}


def _events(pieces: Iterator[bytes]) -> list[Event]:
    framer = Framer(LIMIT)
    events = [event for piece in pieces for event in framer.feed(piece)]
    return events + framer.finish()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1_000_000])
def test_frames_do_not_depend_on_the_pieces(case: str, step: int) -> None:
    content, expected = CASES[case]
    pieces = (content[at : at + step] for at in range(0, len(content), step))
    assert _events(pieces) == expected


_MARKS = [b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"\x00", b" ", b"\xef\xbb\xbf", b"\x1c" * 17]
_TEXTS = [b"MSH|a", b"M", b"S", b"H", b"a", b"\x1d", b"x" * 1_500, b"y" * 4_000, b"z" * 70]
_BITS = st.sampled_from(_MARKS + _TEXTS)


@given(st.lists(_BITS, max_size=20).map(b"".join), st.lists(st.integers(0, 20_000), max_size=8))
def test_any_cutting_gives_the_same_frames(content: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    pieces = (content[a:b] for a, b in pairwise(bounds))
    assert _events(pieces) == _events(iter([content]))


_INNER = st.sampled_from(
    [b"a", b"|", b"\r", b"\n", b"\x1c ", b"\x1cx", b"\x0b ", b"\x0bMS ", b"\xe5"]
)


@given(st.lists(st.lists(_INNER, max_size=9).map(b"".join), max_size=5), st.data())
def test_marks_in_texts_change_nothing(texts: list[bytes], data: st.DataObject) -> None:
    payloads = [b"MSH|" + text + b"\r" for text in texts]
    ends = st.sampled_from([b"\x1c\r", b"\x1c\r\n", b"\x1c\n", b"\x1c"])
    stream = b"".join(b"\x0b" + payload + data.draw(ends) for payload in payloads)
    assert _events(iter([stream])) == [Frame(payload) for payload in payloads]


@given(st.lists(_BITS, max_size=20).map(b"".join))
def test_every_byte_is_in_a_frame_or_counted_but_line_ends_and_framing(content: bytes) -> None:
    events = _events(iter([content]))
    counted = sum(
        len(event.payload) if isinstance(event, Frame) else event.size for event in events
    )
    framing = content.translate(None, b"\x0b\x1c\r\n")
    assert len(framing) <= counted <= len(content)


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_clean_payloads_come_out_as_they_went_in(payloads: list[bytes]) -> None:
    clean = [payload.replace(b"\x0b", b"").replace(b"\x1c", b"") for payload in payloads]
    stream = b"".join(b"\x0b" + payload + b"\x1c\r" for payload in clean)
    assert _events(iter([stream])) == [Frame(payload) for payload in clean]


@pytest.mark.parametrize("more", [b"", b"\x00", b"\x1c", b"\x00\r"])
def test_a_sender_that_is_quiet_behind_fs_has_ended_its_frame(more: bytes) -> None:
    framer = Framer(LIMIT)
    assert framer.feed(b"\x0b" + A) == []
    assert not framer.ends_if_quiet
    assert framer.feed(b"\x1c" + more) == []
    assert framer.ends_if_quiet
    assert framer.quiet() == [Frame(A)]
    assert not framer.mid_frame
    assert framer.quiet() == []
    assert [each for each in framer.feed(b"\r\x0b" + B + b"\x1c\r") if each != Garbage(1)] == [
        Frame(B)
    ]


@pytest.mark.parametrize(
    ("content", "under_way"),
    [
        (b"", False), (b"\x00", False), (b"\r\n", False), (b"hello", False), (b"?\x1c", False),
        (b"n" * 20_000, False), (b"\x0b" + A + b"\x1c\r\x00\x00", False), (b"\x0b", True),
        (b"\x00\x0bM", True), (b"MSH|", True), (b"MSH|" + b"n" * 20_000, True),
        (b"\x0b" + b"n" * 20_000, True), (b"\x0b" + A + b"\x1c", True),
    ],
)  # fmt: skip
def test_noise_is_no_frame_under_way(content: bytes, *, under_way: bool) -> None:
    framer = Framer(LIMIT)
    framer.feed(content)
    assert framer.mid_frame is under_way


@pytest.mark.parametrize(
    "content",
    [
        b"\x0b",
        b"\x0bMSH",
        b"\x1c ",
        b"\x1c" + b"\x00" * 15,
        b"\x00",
        b"\x0b\x0bMSH|\x1c",
        b"\x1c\r",
    ],
)
@pytest.mark.parametrize("opened", [b"", b"\x0b"])
def test_the_work_is_linear_in_the_bytes(content: bytes, opened: bytes) -> None:
    """Counted in looks at the buffer, each of which is bounded or goes on where the last one ended."""

    def looks(times: int) -> int:
        framer, count = Framer(1_000_000), 0
        step = framer._step

        def counting(events: list[Event]) -> bool:
            nonlocal count
            count += 1
            return step(events)

        framer._step = counting  # type: ignore[method-assign]
        framer.feed(opened + content * times)
        return count

    assert looks(4_000) <= 4 * looks(1_000) + 8


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
    assert framer.feed(b"\x1c\r") == [TooLarge(b"z" * HEAD_BYTES, 1_000_000)]
