"""A lean, lazy HL7 v2 reader: one pass to split segments, fields only of segments asked for.

Format: HL7 v2.5.1 chapter 2 (encoding rules). The delimiters come from MSH-1 and MSH-2; segments
end in CR, LF or CRLF. A lone LF amid CR-separated segments ends one only where a segment follows,
so that text with line feeds stays whole. Positions count from 1, and MSH-1 is the separator.

Work is bounded before it begins (``adapters.hl7v2.limits``): whatever is split is split into so many
parts at most, the last of which is the rest as sent.

Three values (chapter 2, null and empty): an empty field says nothing, ``""`` says that there is
none, anything else is the value. Texts are unescaped when asked for, never before.

Invariant: :func:`read` returns a message or raises an :class:`Hl7Error`; nothing that is asked of
a message raises. A message has one MSH: where another stands, also within a line whose end was lost, there
are several messages, and none of them is read.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble
from adapters.hl7v2 import charset, shape
from adapters.hl7v2.charset import Charsets
from adapters.hl7v2.errors import (
    CharsetError,
    DelimiterError,
    NotHl7Error,
)
from adapters.hl7v2.limits import (
    MAX_CHARSETS,
    MAX_COMPONENTS,
    MAX_ESCAPED_CHARS,
    MAX_REPETITIONS,
    MAX_SUBCOMPONENTS,
)

NULL: Final = '""'
BOM: Final = b"\xef\xbb\xbf"
BLANK: Final = b" \t\r\n"
NAME_CHARS: Final = 3
UNDEFINED: Final = "\ud800"  # a lone surrogate: no text that was decoded strictly holds it
CHARSET_FIELD: Final = 18
MAX_CHARSET_CHARS: Final = 100
MAX_DELIMITERS: Final = 5  # the fifth, since v2.7, marks truncated values
_SEGMENT_END: Final = re.compile(r"\r\n|\r|\n(?=[A-Z][A-Z0-9]{2}(?:[^A-Za-z0-9 ]|$))")
_LINE_END: Final = re.compile(rb"[\r\n]")
_HARMLESS: Final = (
    re.compile(  # a name alone, what files end with, a longer name of a segment of ours
        r"[A-Z][A-Z0-9]{2}|[\x00- \x7f\ufeff]*|Z[A-Z0-9]{3,6}[^A-Za-z0-9 ].*"
    )
)
_UTF_16: Final = re.compile(rb"(?:\xff\xfe|\xfe\xff)?\x00?M\x00S\x00H")


class Delimiters(NamedTuple):
    """MSH-1 and MSH-2; :data:`UNDEFINED` where the sender defined none."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    @property
    def hollow(self) -> str:
        """What a field that says nothing may still hold."""
        return f"{self.component}{self.repetition}{self.subcomponent} "

    def unescape(self, text: str, codec: str = "utf-8") -> str:
        r"""Text with ``\F\ \S\ \R\ \T\ \E\`` and ``\Xhh\`` resolved; other escapes stay."""
        return _unescape(text, self, codec) if self.escape in text else text


DEFAULT: Final = Delimiters("|", "^", "~", "\\", "&")
"""The usual ones (section 2.5.4)."""

Encoding = tuple[Delimiters, str]
"""The delimiters, and the codec of escaped bytes."""


class Segment:
    """One segment: ``fields[0]`` is its name, ``fields[n]`` its field n as sent."""

    __slots__ = ("_codec", "_delimiters", "fields")

    def __init__(self, fields: list[str], delimiters: Delimiters, codec: str) -> None:
        self.fields = fields
        self._delimiters = delimiters
        self._codec = codec

    @property
    def encoding(self) -> Encoding:
        """What tells how its texts are read."""
        return self._delimiters, self._codec

    def raw(self, field: int) -> str:
        """A field as sent, "" where there is none."""
        return self.fields[field] if field < len(self.fields) else ""

    def is_empty(self, field: int) -> bool:
        """Whether the field says nothing: no text in it but delimiters and blanks."""
        raw = self.raw(field)
        if not raw or raw[0].isalnum():  # most fields: nothing else to look at
            return not raw
        return not raw.strip(self._delimiters.hollow)

    def repetitions(self, field: int) -> list[str]:
        """The field's repetitions as sent; none for an empty field."""
        raw = self.raw(field)
        return raw.split(self._delimiters.repetition, MAX_REPETITIONS) if raw else []

    def count(self, field: int) -> int:
        """How many repetitions the field has, empty ones among them."""
        return self.raw(field).count(self._delimiters.repetition) + 1

    def repeats_too_often(self, field: int) -> bool:
        """Whether it has more repetitions than are read apart."""
        return self.count(field) > MAX_REPETITIONS

    def components(self, repetition: str) -> list[str]:
        """A repetition's components as sent."""
        return repetition.split(self._delimiters.component, MAX_COMPONENTS)

    def subcomponents(self, component: str) -> list[str]:
        """A component's subcomponents, unescaped, blanks around them removed."""
        if component.isalnum():
            return [component]
        parts = component.split(self._delimiters.subcomponent, MAX_SUBCOMPONENTS)
        return [self._text(part) for part in parts]

    def first(self, field: int, component: int = 1) -> str:
        """First repetition, first subcomponent of a component; unescaped, "" where empty."""
        raw = self.fields[field] if field < len(self.fields) else ""
        if not raw or raw == NULL:
            return raw
        if raw.isalnum():  # most fields: no delimiter in it
            return raw if component == 1 else ""
        _, mark, repetition, escape, subcomponent = self._delimiters
        parts = raw.partition(repetition)[0].split(mark, component)
        if component > len(parts):
            return ""
        text = parts[component - 1].partition(subcomponent)[0]
        return self._text(text) if escape in text else text.strip()

    def _text(self, raw: str) -> str:
        text = raw.strip()
        if len(text) > MAX_ESCAPED_CHARS:
            return text
        return self._delimiters.unescape(text, self._codec).strip()


class Message:
    """A message; segments are split into fields when first asked for.

    ``doubt`` is what is doubtful about its character set, if anything. ``is_whole``: it is known that every
    line is a segment.
    """

    __slots__ = (
        "_first_lines",
        "_lines",
        "_segments",
        "codec",
        "delimiters",
        "doubt",
        "header",
        "is_whole",
    )

    def __init__(
        self, lines: list[str], delimiters: Delimiters, codec: str, doubt: Trouble | None = None
    ) -> None:
        self.doubt = doubt
        self.is_whole = False
        self._lines = lines
        self._first_lines = {line[:NAME_CHARS]: line for line in reversed(lines)}
        self.delimiters = delimiters
        self.codec = codec
        header = lines[0].split(delimiters.field)
        header.insert(1, delimiters.field)
        self.header = Segment(header, delimiters, codec)
        self._segments = {"MSH": self.header}

    def first(self, name: str) -> Segment:
        """The first segment of that name; one without fields where there is none."""
        found = self._segments.get(name)
        if found is None:
            found = self._segments[name] = self._split(self._first_lines.get(name, name))
        return found

    def sequence(self, *names: str) -> Iterable[tuple[str, Segment]]:
        """The segments of those names in the order in which they stand."""
        return (
            (line[:NAME_CHARS], self._split(line))
            for line in self._lines[1:]
            if line[:NAME_CHARS] in names
        )

    def count(self, name: str) -> int:
        """How many segments of that name there are."""
        return sum(line[:NAME_CHARS] == name for line in self._lines)

    def contradicted(self, names: Iterable[str]) -> str | None:
        """The first of those names of which there are two segments that differ."""
        if len(self._first_lines) == len(self._lines):  # nearly always: no name stands twice
            return None
        end = self.delimiters.field  # empty fields at the end say nothing
        firsts = {name: self._first_lines[name] for name in names if name in self._first_lines}
        for line in self._lines:
            name = line[:NAME_CHARS]
            if firsts.get(name, line).rstrip(end) != line.rstrip(end):
                return name
        return None

    def broken(self, names: Container[str]) -> str | None:
        """The first segment of those names behind which a line stands that is no segment.

        A line end within a field cuts its segment, and the fields behind it are lost.
        """
        if self.is_whole:  # nearly always
            return None
        mark, whole = self.delimiters.field, ""
        for line in self._lines:
            name = line[:NAME_CHARS]
            if line[NAME_CHARS : NAME_CHARS + 1] == mark and name.isupper():
                whole = name
            elif whole in names and not _HARMLESS.fullmatch(line):
                return whole
        return None

    def lines(self) -> Sequence[str]:
        """All segments as sent."""
        return self._lines

    def body(self) -> str:
        """All segments but MSH as sent, their ends made CR."""
        return "\r".join(self._lines[1:])

    def _split(self, line: str) -> Segment:
        return Segment(line.split(self.delimiters.field), self.delimiters, self.codec)


def read(payload: bytes, charsets: Charsets = Charsets()) -> Message:  # noqa: B008 - immutable
    """The one message in a frame. Raises an Hl7Error that says why it cannot be read."""
    payload = payload.removeprefix(BOM).lstrip(BLANK)
    if not payload.startswith(b"MSH"):
        raise _no_message(payload)
    header = _LINE_END.split(payload, maxsplit=1)[0].decode("latin-1")
    marks, _, _ = header[4 : 4 + 2 * MAX_DELIMITERS].partition(header[3:4] or " ")
    delimiters = delimiters_of(header[3:4], marks)
    decoded = charset.decode(payload, _declared(header, delimiters), charsets)
    shape.check_lines(decoded.text)
    lines = _lines(decoded.text)
    shape.check_fields(lines, delimiters.field)
    if decoded.text.find("MSH", NAME_CHARS) >= 0:
        shape.check_single(lines, f"MSH{delimiters.field}{marks}")
    message = Message(lines, delimiters, decoded.codec, decoded.doubt)
    message.is_whole = "\n" not in decoded.text and not shape.has_odd_line(
        decoded.text, delimiters.field
    )
    return message


def _no_message(payload: bytes) -> NotHl7Error | CharsetError:
    if _UTF_16.match(payload):
        return CharsetError("the bytes are UTF-16, which MLLP cannot frame: send UTF-8", "MSH-18")
    return NotHl7Error("it does not begin with MSH", "MSH")


@lru_cache(maxsize=64)
def delimiters_of(separator: str, marks: str) -> Delimiters:
    """What MSH-1 and MSH-2 define. Raises NotHl7Error or DelimiterError."""
    if not separator or not marks:
        raise NotHl7Error("MSH ends before its delimiters", "MSH-2")
    used = [separator, *marks]
    distinct = len(set(used)) == len(used) <= 1 + MAX_DELIMITERS
    if not distinct or not all(_may_delimit(mark) for mark in used):
        raise DelimiterError("the delimiters are not distinct signs", "MSH-2")
    return Delimiters(separator, *(marks[place : place + 1] or UNDEFINED for place in range(4)))


def _may_delimit(mark: str) -> bool:
    return "!" <= mark <= "~" and not mark.isalnum() and mark != '"'


def _declared(header: str, delimiters: Delimiters) -> list[str]:
    fields = header.split(delimiters.field, CHARSET_FIELD)
    if len(fields) < CHARSET_FIELD or not fields[CHARSET_FIELD - 1]:
        return []
    names = fields[CHARSET_FIELD - 1].split(delimiters.repetition, MAX_CHARSETS)[:MAX_CHARSETS]
    return [name[:MAX_CHARSET_CHARS].strip().strip('"') for name in names]


def _lines(text: str) -> list[str]:
    if "\n" not in text:
        return [line for line in text.split("\r") if line]
    lines = (line.strip("\n") for line in _SEGMENT_END.split(text))
    return [line for line in lines if line]


def _unescape(text: str, delimiters: Delimiters, codec: str) -> str:
    mark = delimiters.escape
    pieces = text.split(mark)
    out, position, last = [pieces[0]], 1, len(pieces) - 1
    while position <= last:
        meaning = _meaning(pieces[position], delimiters, codec) if position < last else None
        if meaning is None:  # a lone escape sign, or a sequence that is not ours: as sent
            out.append(mark + pieces[position])
            position += 1
        else:
            out += (meaning, pieces[position + 1])
            position += 2
    return "".join(out)


def _meaning(sequence: str, delimiters: Delimiters, codec: str) -> str | None:
    if len(sequence) == 1:
        at = "FSRET".find(sequence)
        return delimiters[at] if at >= 0 else None
    if not sequence.startswith("X"):
        return None
    try:
        return bytes.fromhex(sequence[1:]).decode(codec)
    except ValueError:
        return None
