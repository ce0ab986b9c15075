"""Tells what hl7apy's validation says of a message's structure. For people, never on the hot path.

Nothing here decides whether a message is used. hl7apy takes a tenth of a second a message, so it is imported when it
is first asked, and by this module alone. What of it is avoided: with ``find_groups`` it drops segments that
fit no group, ZBE and MRG among them, and calls the rest valid; segments that it does not know end its
parser; its texts quote values. So each segment is parsed and validated by itself, the message's own structure
is compared here, and of its texts only the names of elements are taken.

Invariant: a finding has no value of the message in it.

Sources: HL7 v2.5.1, whose sections are named whatever the message's version is; table 0354; IHE PAM for ZBE,
which is a segment of ours and therefore unknown to the standard, as all that begin with Z.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from adapters.hl7v2 import reader
from adapters.hl7v2.charset import Charsets
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.limits import MAX_CHECKED_SEGMENTS
from adapters.hl7v2.reader import NAME_CHARS, Message, Segment

ASSUMED_VERSION: Final = "2.5.1"
REPORT_BYTES: Final = 1_000_000
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")

SECTIONS: Final[Mapping[str, str]] = {
    "MSH": "2.15.9", "ERR": "2.15.5", "MSA": "2.15.8", "NTE": "2.15.10", "SFT": "2.15.12",
    "EVN": "3.4.1", "PID": "3.4.2", "PV1": "3.4.3", "PV2": "3.4.4", "NK1": "3.4.5", "AL1": "3.4.6",
    "IAM": "3.4.7", "NPU": "3.4.8", "MRG": "3.4.9", "PD1": "3.4.10", "DB1": "3.4.11", "PDA": "3.4.12",
    "DG1": "6.5.2", "DRG": "6.5.3", "PR1": "6.5.4", "GT1": "6.5.5", "IN1": "6.5.6", "IN2": "6.5.7",
    "IN3": "6.5.8", "ACC": "6.5.9", "UB1": "6.5.10", "UB2": "6.5.11", "OBX": "7.4.2", "ROL": "15.4.7",
}  # fmt: skip
"""Where v2.5.1 describes a segment; its field n is in the section's n-th part."""

STRUCTURES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("A04", "A08", "A13", "Z99"), "A01"),
    **dict.fromkeys(("A14", "A28", "A31"), "A05"),
    "A07": "A06",
    **dict.fromkeys(("A10", "A11"), "A09"),
    **dict.fromkeys(("A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"), "A21"),
    **dict.fromkeys(("A34", "A35", "A36", "A46", "A47", "A48", "A49"), "A30"),
    **dict.fromkeys(("A40", "A41", "A42"), "A39"),
    "A44": "A43",
    "A51": "A50",
    **dict.fromkeys(("A53", "A55"), "A52"),
    "A62": "A61",
}
"""Table 0354, as far as an event has the structure of another."""


_OWN: Final = re.compile(
    r"Error: (Missing required child|Child limit exceeded) [A-Z][A-Z0-9]{2}\.[A-Z][A-Z0-9]{2}_(\d+)$"
)
_MISSING: Final = "Missing required child"
_INNER: Final = tuple(
    (re.compile(pattern), says)
    for pattern, says in (
        (
            r"Warning: Value (?!NN[A-Z]{2,3} not in table HL70203).* not in table HL7(\d{4}) in element",
            "holds a code that table {} does not list",
        ),
        (r"Warning: Exceeded max length \((\d+)\) of", "is longer than {} characters"),
        (
            r"Error: Invalid children detected for <Field .* of type ([A-Z]{2,3})>",
            "has components that data type {} has not",
        ),
        (
            r"Error: Invalid children detected for <Component .* of type ([A-Z]{2,3})>",
            "has subcomponents that data type {} has not",
        ),
        (r"Error: Datatype .*\(it must be ([A-Z]{2,3})\)$", "is not of data type {}"),
        (
            r"Error: Missing required child [A-Z0-9]+_\d+\.([A-Z]{2,3})_(\d+)$",
            "lacks component {1} of data type {0}",
        ),
    )
)
"""What hl7apy's validation says of a segment's own fields, and of what is within a field, and in our words."""


class StructureFinding(NamedTuple):
    """One thing that is not as the standard has it; ``field`` is None for a segment as a whole."""

    segment: str
    field: int | None
    what: str

    @property
    def where(self) -> str:
        """``PID-3``, or the segment."""
        return self.segment if self.field is None else f"{self.segment}-{self.field}"

    @property
    def section(self) -> str:
        """Of v2.5.1; "" for what it does not describe."""
        section = SECTIONS.get(self.segment, "")
        return f"{section}.{self.field}" if section and self.field else section

    def __str__(self) -> str:
        told = f" (HL7 v2.5.1, section {self.section})" if self.section else ""
        return f"{self.where} {self.what}{told}"


class _Part(NamedTuple):
    """A segment of a structure: how often it must and may stand there, and whether in a group."""

    name: str
    least: int
    most: int
    in_group: bool


def findings(payload: bytes, charsets: Charsets = Charsets()) -> tuple[StructureFinding, ...]:  # noqa: B008
    """What is not as the standard has it, the message first, then each segment; never raises."""
    try:
        message = reader.read(payload, charsets)
    except Hl7Error as error:
        return (StructureFinding("MSH", None, f"cannot be read: {error.detail}"),)
    lines = message.lines()[:MAX_CHECKED_SEGMENTS]
    version, found = _version(message)
    found += _of_message(message, lines, version)
    for line in lines:
        found += _of_line(line, message, version)
    return tuple(dict.fromkeys(found))


def _version(message: Message) -> tuple[str, list[StructureFinding]]:
    from hl7apy import SUPPORTED_LIBRARIES  # noqa: PLC0415 - see above

    said = message.header.first(12)
    if said in SUPPORTED_LIBRARIES:
        return said, []
    told = f"names no version that is known: looked at as {ASSUMED_VERSION}"
    return ASSUMED_VERSION, [StructureFinding("MSH", 12, told)]


# the message: which segments it has, and in which order


def _of_message(message: Message, lines: Sequence[str], version: str) -> list[StructureFinding]:
    structure, parts = _parts(message.header, version)
    if not parts:
        return [StructureFinding("MSH", 9, f"names no structure that version {version} has")]
    names = [line[:NAME_CHARS] for line in lines]
    return [*_counted(names, structure, parts, version), *_misplaced(names, parts)]


def _parts(header: Segment, version: str) -> tuple[str, list[_Part]]:
    """The name of the message's structure, and its segments."""
    event = header.first(9, 2).upper()
    named = (header.first(9, 3).upper(), f"ADT_{event}", f"ADT_{STRUCTURES.get(event, '')}")
    for name in named:
        if reference := _reference(name, "Message", version):
            return name, list(_flat(reference[1]))
    return "", []


def _flat(children: Any, least: int = 1, *, in_group: bool = False) -> Iterator[_Part]:  # noqa: ANN401
    for name, reference, (at_least, at_most), kind in children:
        if kind == "SEG":
            yield _Part(name, at_least * least, at_most, in_group)
        else:
            yield from _flat(reference[1], at_least * least, in_group=True)


def _counted(
    names: Sequence[str], structure: str, parts: Sequence[_Part], version: str
) -> Iterator[StructureFinding]:
    there, allowed = Counter(names), Counter(part.name for part in parts)
    for part in parts:
        if part.least and not there[part.name]:
            yield StructureFinding(part.name, None, f"is missing: {structure} cannot do without it")
        once = part.most == 1 and not part.in_group and allowed[part.name] == 1
        if once and there[part.name] > 1:
            yield StructureFinding(
                part.name, None, f"stands there more than once: {structure} has one"
            )
    for name in there:
        if name not in allowed and _is_standard(name) and _reference(name, "Segment", version):
            yield StructureFinding(name, None, f"is no segment of {structure}")


def _misplaced(names: Sequence[str], parts: Sequence[_Part]) -> Iterator[StructureFinding]:
    """Segments that stand behind one that the structure has after them; groups repeat and are left out."""
    allowed = Counter(part.name for part in parts)
    places = {
        part.name: place
        for place, part in enumerate(parts)
        if not part.in_group and allowed[part.name] == 1
    }
    furthest = ""
    for name in names:
        if name not in places:
            continue
        if furthest and places[name] < places[furthest]:
            yield StructureFinding(name, None, f"stands behind {furthest}, and belongs before it")
        else:
            furthest = name


# a segment: its fields, their components, lengths and codes


def _of_line(line: str, message: Message, version: str) -> Iterator[StructureFinding]:
    name = line[:NAME_CHARS]
    if not _is_standard(name):
        return
    segment = _parsed(line, message, version)
    if segment is None:
        yield StructureFinding(name, None, f"is no segment of version {version}")
        return
    for told in _report(segment):
        if found := _OWN.match(told):
            yield StructureFinding(
                name, int(found[2]), _own(found[1], f"{name}_{found[2]}", segment)
            )
    for field in segment.children:
        if field.name is None:
            yield StructureFinding(name, None, f"has more fields than version {version} knows")
            continue
        number = int(field.name.rpartition("_")[2])
        yield from (StructureFinding(name, number, what) for what in _inner(_report(field)))


def _own(told: str, field: str, segment: Any) -> str:  # noqa: ANN401 - hl7apy is untyped
    if told == _MISSING:
        return "is required, and missing"
    withdrawn = sum(each.name == field for each in segment.children) == 1
    return "is withdrawn in this version" if withdrawn else "repeats, and may not"


def _is_standard(name: str) -> bool:
    """Whether the standard may know it; also no text of a patient in place of a name."""
    return not name.startswith("Z") and _NAME.fullmatch(name) is not None


def _inner(report: Sequence[str]) -> Iterator[str]:
    for told in report:
        for pattern, says in _INNER:
            if found := pattern.match(told):
                yield says.format(*found.groups())


def _parsed(line: str, message: Message, version: str) -> Any:  # noqa: ANN401 - hl7apy is untyped
    from hl7apy.consts import VALIDATION_LEVEL  # noqa: PLC0415 - see above
    from hl7apy.parser import parse_segment  # noqa: PLC0415

    marks = message.delimiters
    chars = {
        "FIELD": marks.field, "COMPONENT": marks.component, "REPETITION": marks.repetition,
        "ESCAPE": marks.escape, "SUBCOMPONENT": marks.subcomponent, "SEGMENT": "\r", "GROUP": "\r",
    }  # fmt: skip
    try:
        return parse_segment(line, version, chars, VALIDATION_LEVEL.TOLERANT)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not know the segment
        return None


def _reference(name: str, kind: str, version: str) -> Any:  # noqa: ANN401
    """What the version says of an element; None where it does not have it."""
    from hl7apy import load_reference  # noqa: PLC0415 - see above
    from hl7apy.exceptions import ChildNotFound  # noqa: PLC0415

    try:
        return load_reference(name, kind, version)
    except ChildNotFound:
        return None


def _report(element: Any) -> list[str]:  # noqa: ANN401
    """All that hl7apy finds of an element; in memory, since its texts quote values."""
    from hl7apy.validation import Validator  # noqa: PLC0415 - see above

    report = os.memfd_create("report")
    try:
        with contextlib.suppress(Exception):  # the first of its findings, or a fault of its own
            Validator.validate(element, None, os.dup(report))
        os.lseek(report, 0, os.SEEK_SET)
        return os.read(report, REPORT_BYTES).decode(errors="replace").splitlines()
    finally:
        os.close(report)
