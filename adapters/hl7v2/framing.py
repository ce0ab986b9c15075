"""MLLP framing without I/O: bytes in, frames out.

Theory of operation
-------------------
Minimal Lower Layer Protocol (HL7 Transport Specification, release 1): ``VT payload FS CR``. What
real senders do to it is read as follows, the same for every way the bytes are cut into pieces:

=============================  ==========================================================
bytes                          reading
=============================  ==========================================================
``FS``                         ends the frame at once; the ``CR`` may come later or never
``CR`` ``LF`` between frames   skipped
other bytes, then ``VT``       noise: counted, never answered
``VT`` while a frame is open   the open frame was given up by its sender: noise
bytes, then ``FS``, no ``VT``  a frame all the same; whether it is HL7 is seen by the reader
payload over the limit         ``TooLarge`` when its ``FS`` has come, its beginning kept
=============================  ==========================================================

``VT`` and ``FS`` cannot be part of a payload: HL7 v2 text has no control characters but ``CR``,
and no character set that this adapter reads uses these bytes for anything else.

The sender is to blame for noise and for what is too large. Memory is bounded by twice the limit.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.topics import MAX_RECORD_BYTES

VT: Final = b"\x0b"
FS: Final = b"\x1c"
CR: Final = b"\r"
BETWEEN_FRAMES: Final = b"\r\n"

ROOM_FOR_RECORD_BYTES: Final = 4_096
"""What the log adds to a message: key and headers of its raw record."""

MAX_MESSAGE_BYTES: Final = MAX_RECORD_BYTES - ROOM_FOR_RECORD_BYTES
"""A longer message would not fit into one record of the log: refused at the door with AR."""

HEAD_BYTES: Final = 2_048
"""Kept of a message that is too large: enough for the MSH that the answer must echo."""


class Frame(NamedTuple):
    """One whole message, without its framing."""

    payload: bytes


class TooLarge(NamedTuple):
    """A frame over the limit: how it began, and how long it was."""

    head: bytes
    size: int


class Garbage(NamedTuple):
    """So many bytes that belong to no frame."""

    size: int


Event = Frame | TooLarge | Garbage


class Framer:
    """One connection's bytes. Feed it what arrives; ``finish`` when no more will."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0  # there is no FS before this position of the buffer
        self._cut = 0  # bytes of the open frame that were dropped behind its head
        self._noise = 0  # bytes dropped in front of the open frame

    @property
    def mid_frame(self) -> bool:
        """Whether something has begun and not ended."""
        return bool(self._buffer or self._noise)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        self._buffer += data
        events: list[Event] = []
        begin = self._skip_gap(0)
        while (end := self._buffer.find(FS, max(begin, self._searched))) >= 0:
            self._take(begin, end, events)
            begin = self._skip_gap(end + 1)
        del self._buffer[:begin]
        self._searched = len(self._buffer)
        self._shed()
        return events

    def finish(self) -> list[Event]:
        """What is left over when the sender has closed its side: a frame that never ended."""
        left = len(self._buffer) + self._cut + self._noise
        self._buffer.clear()
        self._searched = self._cut = self._noise = 0
        return [Garbage(left)] if left else []

    def _skip_gap(self, begin: int) -> int:
        buffer = self._buffer
        while begin < len(buffer) and buffer[begin] in BETWEEN_FRAMES:
            begin += 1
        return begin

    def _take(self, begin: int, end: int, events: list[Event]) -> None:
        vt = self._buffer.rfind(VT, begin, end)
        if vt > begin:
            self._noise += vt - begin + self._cut
            self._cut = 0
        first = vt + 1 if vt >= 0 else begin
        noise, size = self._noise, end - first + self._cut
        self._cut = self._noise = 0
        if noise:
            events.append(Garbage(noise))
        if size > self._max_bytes:
            events.append(TooLarge(bytes(self._buffer[first : first + HEAD_BYTES]), size))
        elif size or vt >= 0:
            events.append(Frame(bytes(self._buffer[first:end])))

    def _shed(self) -> None:
        """Bound the memory of a frame that does not end: keep its head, count the rest."""
        if len(self._buffer) <= self._max_bytes + HEAD_BYTES:
            return
        vt = self._buffer.rfind(VT)
        if vt > 0:
            self._noise += vt + self._cut
            self._cut = 0
            del self._buffer[:vt]
        kept = HEAD_BYTES + (self._buffer[:1] == VT)
        if len(self._buffer) > self._max_bytes + 1:
            self._cut += len(self._buffer) - kept
            del self._buffer[kept:]
        self._searched = len(self._buffer)
