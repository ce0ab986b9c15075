"""Splits a file into messages: one, several, or a batch.

Format: HL7 v2.5.1 chapter 2, batch protocol (FHS, BHS, messages, BTS, FTS). A message begins with
MSH at the beginning of a line; CR, LF, blank lines and MLLP bytes may stand between messages.
BTS-1 counts the messages of a batch, FTS-1 the batches of the file: where a count is given and
differs, messages were lost on the way, and that is a trouble of the file.

Invariant: every byte that is no header, trailer or separator is in one of the messages; what stands
before the first MSH, or behind a header or trailer without an MSH, is a message of its own, for the reader
to refuse: it may be of another patient than the message before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from adapters.common.outcome import Trouble
from adapters.common.stamp import counted
from adapters.hl7v2.lines import line_before

BOM: Final = b"\xef\xbb\xbf"
BETWEEN: Final = b" \t\r\n\x0b\x1c\x1a\x00"  # the last but one ends a text file in old systems
_NAME: Final = re.compile(rb"(?:MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9\s])")
_LINE: Final = re.compile(rb"[\r\n\x0b\x1c]+")


@dataclass(frozen=True, slots=True)
class Split:
    """The messages of a file in order, and what its trailers say is wrong with it."""

    messages: tuple[bytes, ...]
    troubles: tuple[Trouble, ...]


@dataclass
class _Splitting:
    messages: list[bytes] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    in_batch: int = 0
    batches: int = 0

    def add(self, piece: bytes) -> None:
        if piece[:3] == b"MSH":
            self.in_batch += 1
            self.messages.append(piece)
        elif piece[:3] in {b"FHS", b"BHS", b"BTS", b"FTS"}:
            self._wrapper(*_LINE.split(piece, maxsplit=1))
        else:
            self.messages.append(piece)

    def _wrapper(self, line: bytes, rest: bytes = b"") -> None:
        name, count = line[:3], _count(line)
        if name == b"BHS":
            self.in_batch = 0
        elif name == b"BTS":
            self._compare("BTS-1", count, self.in_batch)
            self.batches, self.in_batch = self.batches + 1, 0
        elif name == b"FTS":
            self._compare("FTS-1", count, self.batches)
        if stray := rest.strip(BETWEEN):
            self.messages.append(stray)

    def _compare(self, where: str, said: int | None, found: int) -> None:
        if said is not None and said != found:
            detail = f"the trailer counts {said}, the file has {found}: look for what was lost"
            self.troubles.append(Trouble("batch-count-differs", detail, where))


def split(content: bytes) -> Split:
    """A file's messages, each without what stands between them."""
    splitting = _Splitting()
    for piece in _pieces(content.removeprefix(BOM)):
        if stripped := piece.strip(BETWEEN):
            splitting.add(stripped)
    return Split(tuple(splitting.messages), tuple(splitting.troubles))


def _pieces(content: bytes) -> Iterator[bytes]:
    """Cut before each line that begins a message, a header or a trailer; marks in front of it go."""
    begin = 0
    for found in _NAME.finditer(content):
        end = line_before(content, found.start())
        if end is not None:
            yield content[begin:end]
            begin = found.start()
    yield content[begin:]


def _count(line: bytes) -> int | None:
    """What a trailer counts; None where it holds no number that could be one."""
    said = line.split(line[3:4], 2)[1:2]
    return counted(said[0].decode("latin-1")) if said else None
