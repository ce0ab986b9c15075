"""Finds the faulty place in the bytes of an input, and masks an input to its structure.

A shape has the length of what it is made from, so that a place is the same in both: letters and digits
are replaced, signs that structure a message stay, and so does what the adapter names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class ByteSpan(NamedTuple):
    """Some of the bytes: from ``start`` up to, not including, ``end``."""

    start: int
    end: int


class Located(NamedTuple):
    """The part of an input that a trouble is about, and the place that failed in it, if it is known.

    ``head``: what names the columns of the part, where that stands elsewhere.
    """

    part: ByteSpan
    failed: ByteSpan | None = None
    head: ByteSpan | None = None


_MASK: Final = bytes.maketrans(
    bytes(range(256)),
    bytes(
        ord("9") if chr(byte) in "0123456789"
        else ord("A") if ord("A") <= byte <= ord("Z")
        else ord("a") if ord("a") <= byte <= ord("z") or byte >= 0x80  # noqa: PLR2004 - not ASCII
        else byte
        for byte in range(256)
    ),
)  # fmt: skip


def shape_of(payload: bytes, kept: Iterable[ByteSpan] = ()) -> bytes:
    """The bytes without what they say, but for the spans that are kept."""
    shape = bytearray(payload.translate(_MASK))
    for start, end in kept:
        shape[start:end] = payload[start:end]
    return bytes(shape)


def whole(payload: bytes) -> ByteSpan:
    """All of them."""
    return ByteSpan(0, len(payload))
