"""MLLP framing without I/O: bytes in, frames out.

Theory of operation
-------------------
Minimal Lower Layer Protocol (HL7 Transport Specification, release 1): ``VT payload FS CR``. What
real senders do to it is read as follows, the same for every way the bytes are cut into pieces:

==================================  =====================================================
bytes                               reading
==================================  =====================================================
``FS CR``, ``FS LF``                end of the frame
``FS``, controls or none, ``VT``    end of the frame: its sender leaves out the ``CR``
``FS``, then any other byte         text: somebody pasted it, the frame goes on
``FS``, then nothing                end of the frame, once its sender is quiet or has closed
``VT``, then ``MSH``                begin of a frame; one that was open was given up: noise
``VT``, then anything else          begin of a frame; within an open one text, as ``FS`` is
no ``VT``, a line with ``MSH``      a frame all the same
no ``VT``, anything else            noise: counted, never answered, never a frame under way
``CR LF FS`` between frames         skipped
payload over the limit              ``TooLarge`` when its end has come, its beginning kept
==================================  =====================================================

The sender is to blame for noise and for what is too large. Each mark is decided once, after a bounded
look ahead, so the work is linear in the bytes; memory is bounded by the limit and what is kept beside.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from adapters.hl7v2.limits import HEAD_BYTES, MAX_MESSAGE_BYTES

VT: Final = b"\x0b"
FS: Final = b"\x1c"
CR: Final = b"\r"

TAIL_BYTES: Final = 64  # of what is dropped: more than any mark and what decides it
_END: Final = re.compile(rb"\x1c(?:\x1c{0,16}[\r\n]|[\x00-\x0a\x0c-\x1f]{0,16}\x0b)")
_END_IF_QUIET: Final = re.compile(rb"\x1c[\x00-\x0a\x0c-\x1f]{0,16}\Z")
_BEGIN: Final = re.compile(rb"\x0b(?:\xef\xbb\xbf)?[ \t\r\n]{0,8}MSH")
_MAY_BEGIN: Final = re.compile(
    rb"\x0b(?:\xef(?:\xbb(?:\xbf[ \t\r\n]{0,8}(?:MS?)?)?)?|[ \t\r\n]{0,8}(?:MS?)?)\Z"
)
_WITHOUT_VT: Final = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?[ \t]*(?=MSH)")
_GAP: Final = re.compile(rb"[\x00-\x0a\x0c-\x1f]*")
_BLANK: Final = 0x20
_SILENT: Final = b"\r\n\x1c"


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
        self._buffer = bytearray()  # of the open frame, behind its VT, or of what is between frames
        self._decided = 0  # each VT and FS before this position of the buffer is text
        self._open = False  # whether a VT has come
        self._head = b""  # how it began, once the buffer is only its rest
        self._cut = 0  # bytes dropped in front of the buffer
        self._noise = 0  # bytes in front of all that, which belong to no frame

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and not ended; noise is none, however long it lasts."""
        return self._open or _WITHOUT_VT.search(self._began()) is not None

    @property
    def ends_if_quiet(self) -> bool:
        """Whether a frame has ended unless its sender goes on at once."""
        return _END_IF_QUIET.match(self._buffer, self._decided) is not None

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        self._buffer += data
        events: list[Event] = []
        while self._step(events):
            pass
        self._shed()
        return events

    def quiet(self) -> list[Event]:
        """The events that silence completes: an ``FS`` whose ``CR`` is left out."""
        events: list[Event] = []
        if self.ends_if_quiet:
            self._end(self._decided, events)
            self._skip_gap()
        return events

    def finish(self) -> list[Event]:
        """What is left over when the sender has closed its side; a frame that never ended is noise."""
        events = self.quiet()
        left = self._noise + self._open + self._cut + len(self._buffer)
        self._begin(len(self._buffer))
        self._open, self._noise = False, 0
        return [*events, Garbage(left)] if left else events

    # one step: up to the next mark that is no text

    def _step(self, events: list[Event]) -> bool:
        """Whether something was decided, so that there may be more."""
        if not (self._open or self._cut):
            self._skip_gap()
        buffer = self._buffer
        end = buffer.find(FS, self._decided)
        begin, undecided = self._last_begin(end if end >= 0 else len(buffer))
        if begin >= 0:
            self._noise += self._open + self._cut + begin
            self._begin(begin + 1)
            return True
        if end < 0:
            self._decided = undecided
            return False
        if _END.match(buffer, end):
            self._end(end, events)
            return True
        goes_on = _END_IF_QUIET.match(buffer, end) is None
        self._decided = end + goes_on
        return goes_on

    def _last_begin(self, end: int) -> tuple[int, int]:
        """Where before ``end`` a frame begins, or -1; and up to where that is certain."""
        buffer, begin = self._buffer, -1
        vt = buffer.find(VT, self._decided, end)
        if not self._open:
            return vt, end
        while vt >= 0:
            if _BEGIN.match(buffer, vt):
                begin = vt
            elif _MAY_BEGIN.match(buffer, vt):
                return begin, vt
            vt = buffer.find(VT, vt + 1, end)
        return begin, end

    def _begin(self, first: int) -> None:
        """A frame begins at this position of the buffer."""
        del self._buffer[:first]
        self._open, self._head, self._cut, self._decided = True, b"", 0, 0

    def _end(self, end: int, events: list[Event]) -> None:
        """What is open has ended at this position of the buffer."""
        first, size = 0, self._cut + end
        if not self._open:
            found = _WITHOUT_VT.search(self._began(), 0, end + self._cut)
            first = found.end() if found else size
            self._noise += first
        if self._open or first < size:
            if self._noise:
                events.append(Garbage(self._noise))
                self._noise = 0
            events.append(self._taken(first, end, size - first))
        self._begin(end + 1)
        self._open = False

    def _taken(self, first: int, end: int, size: int) -> Event:
        if size > self._max_bytes:
            return TooLarge(self._began()[first:], size)
        return Frame(bytes(self._buffer[first:end]))

    # between frames, and memory

    def _skip_gap(self) -> None:
        """Drop what may stand between frames; what is no line end is counted."""
        buffer = self._buffer
        if not buffer or buffer[0] >= _BLANK or buffer[0] == VT[0]:  # nearly always
            return
        gap = _gap(buffer)
        self._noise += len(buffer[:gap].translate(None, _SILENT))
        del buffer[:gap]
        self._decided = max(0, self._decided - gap)

    def _began(self) -> bytes:
        return self._head or bytes(self._buffer[:HEAD_BYTES])

    def _shed(self) -> None:
        """Bound the memory of what does not end: keep its head and its tail, count the rest."""
        if len(self._buffer) <= self._max_bytes + HEAD_BYTES + TAIL_BYTES:
            return
        self._head = self._began()
        dropped = len(self._buffer) - TAIL_BYTES
        del self._buffer[:dropped]
        self._cut += dropped
        self._decided = max(0, self._decided - dropped)


def _gap(buffer: bytearray) -> int:
    found = _GAP.match(buffer)
    return found.end() if found else 0
