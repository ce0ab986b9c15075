r"""A notice as an ADT message: pending admission or transfer, or the cancel of it. Pure.

Source: HL7 v2.5.1 chapter 3, sections 3.3.14 (A14), 3.3.15 (A15), 3.3.26 (A26), 3.3.27 (A27), and
chapter 2 for MSH (2.15.9) and escapes (2.7).

==================  ============  ============  ==========================
notice              as admission  as transfer   structure
==================  ============  ============  ==========================
designated          A14           A15           ADT_A05, ADT_A15
changed             A14           A15           the plan as it is now
withdrawn           A27           A26           ADT_A21
arrived             none          none          record systems tell it (A01, A02)
==================  ============  ============  ==========================

No person is in it, unless the receiver is told who it is. PID-3 and PID-5 are required by the standard:
PID-3 is the visit number and says so (type VN, table 0203); PID-5 has only a name type, S, "coded
pseudo-name to ensure anonymity" (table 0200). ``""`` would mean that the receiver deletes the name that it
has. Where more may be told and was not known in time, MSH-21 says ``INCOMPLETE``. Whoever is told more finds the patient's own number first in PID-3, the name in PID-5, the protection
mark in PD1-12, where the patient lies now in PV1-3, and in PV2-9 when they are planned to leave.

The same notice, told the same besides, gives the same bytes however often it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from router.delivery import patient_mapping
from router.delivery.channel import MINIMAL, Outgoing
from schemas.base import VisitRef
from schemas.fields import Beside, Details, Identity
from schemas.notification import DesignationData, Kind

TOLD: Final = frozenset({Kind.DESIGNATED, Kind.CHANGED, Kind.WITHDRAWN})
"""The kinds that there is an event for."""

Pending = Literal["admission", "transfer"]
Version = Literal["2.4", "2.5", "2.5.1", "2.6"]
Charset = Literal["UNICODE UTF-8", "8859/1"]

_PLANNED: Final[dict[Pending, str]] = {
    "admission": "ADT^A14^ADT_A05",
    "transfer": "ADT^A15^ADT_A15",
}
_CANCELLED: Final[dict[Pending, str]] = {
    "admission": "ADT^A27^ADT_A21", "transfer": "ADT^A26^ADT_A21",
}  # fmt: skip
_CODECS: Final[dict[Charset, str]] = {"UNICODE UTF-8": "utf-8", "8859/1": "iso8859-1"}
_ESCAPES: Final = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    | {chr(code): f"\\X{code:02X}\\" for code in range(0x20)}
)
_DELETES: Final = '""'
INCOMPLETE: Final = "INCOMPLETE"
"""MSH-21, the profile that a message follows: 2.4 has ten characters for it."""
_PENDING_LOCATION: Final = 42
_VISIT_NUMBER: Final = 19
_EXPECTED_ADMISSION: Final = 8
_EXPECTED_DISCHARGE: Final = 9
_PROTECTION: Final = 12
_PSEUDONYM: Final = "^^^^^^S"
_DIGEST_DIGITS: Final = 8  # beside eleven of the number: MSH-10 has twenty characters


@dataclass(frozen=True, slots=True)
class Style:
    """How a receiver wants its messages."""

    pending: Pending = "admission"
    sending_application: str = "WARDBRIDGE"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = "P"
    version: Version = "2.5.1"
    charset: Charset = "UNICODE UTF-8"
    patient_class: str = "U"
    """PV1-2, which is required: a notice does not say it (table 0004: U, unknown)."""


def message_of(subscriber: str, outgoing: Outgoing, style: Style) -> bytes:
    """Raises UnicodeEncodeError where the character set lacks a letter: none is replaced.

    What is told besides and has such a letter is left out, for the notice must not be lost for it.
    """
    codec = _CODECS[style.charset]
    for beside in _less_and_less(outgoing.beside):
        with suppress(UnicodeEncodeError):
            return _text_of(subscriber, outgoing._replace(beside=beside), style).encode(codec)
    return _text_of(subscriber, outgoing._replace(beside=MINIMAL), style).encode(codec)


def _less_and_less(beside: Beside) -> Iterator[Beside]:
    """All of it; without the name; with who it is alone; with where from alone."""
    who = beside.patient
    nameless = who and who.model_copy(update={"family": None, "given": None})
    yield beside
    yield beside.model_copy(update={"patient": nameless})
    yield beside.model_copy(update={"patient": nameless, "details": None})
    yield beside.model_copy(update={"patient": None})


def _text_of(subscriber: str, outgoing: Outgoing, style: Style) -> str:
    notice, beside = outgoing.notice, outgoing.beside
    data, at = notice.data, _time(notice.time)
    is_planned = data.kind is not Kind.WITHDRAWN
    expected = _expected(data) if is_planned else ""
    kind = (_PLANNED if is_planned else _CANCELLED)[style.pending]
    segments = [
        _header(kind, at, control_id(subscriber, outgoing), style, incomplete=beside.incomplete),
        _segment("EVN", {2: at, 3: expected} if expected else {2: at}),
        _segment("PID", _person(data.visit, beside.patient)),
        *([_segment("PD1", {_PROTECTION: "Y"})] if _is_marked(data, beside) else []),
        _segment("PV1", {
            2: _escaped(style.patient_class), 3: _lies_at(beside.details),
            _VISIT_NUMBER: _number(data.visit), _PENDING_LOCATION: _place(data),
        }),
    ]  # fmt: skip
    planned = _plan(expected if style.pending == "admission" else "", beside.details)
    if planned:
        segments.append(_segment("PV2", planned))
    return "\r".join(segments) + "\r"


def test_message(number: str, at: datetime, style: Style) -> bytes:
    """One that is about nobody: what time it is here (NMD^N02, chapter 14, section 14.3.2)."""
    now = _time(at)
    segments = (_header("NMD^N02^NMD_N02", now, number, style), _segment("NCK", {1: now}))
    return ("\r".join(segments) + "\r").encode(_CODECS[style.charset])


def control_id(subscriber: str, outgoing: Outgoing) -> str:
    """MSH-10: the notice's number, and what tells it from other subscribers' and other logs'."""
    named = f"{subscriber}/{outgoing.notice.id}".encode()
    return f"{outgoing.sequence}.{hashlib.sha256(named).hexdigest()[:_DIGEST_DIGITS]}"


def _header(kind: str, at: str, number: str, style: Style, *, incomplete: bool = False) -> str:
    names = (
        style.sending_application, style.sending_facility,
        style.receiving_application, style.receiving_facility,
    )  # fmt: skip
    fields = ("MSH", r"^~\&", *map(_escaped, names), at, "", kind, number, style.processing_id)
    header = "|".join((*fields, style.version, "", "", "", "", "", style.charset))
    return f"{header}|||{INCOMPLETE}" if incomplete else header


def _segment(name: str, values: dict[int, str]) -> str:
    return "|".join((name, *(values.get(at, "") for at in range(1, max(values) + 1))))


def _person(visit: VisitRef, who: Identity | None) -> dict[int, str]:
    """PID: what the patient is known by, and in any case the visit's number."""
    if who is None:
        return {3: _number(visit), 5: _PSEUDONYM}
    return {
        3: f"{_joined(patient_mapping.number_of(who))}~{_number(visit)}",
        5: _joined(patient_mapping.name_of(who)),
        7: patient_mapping.born_of(who),
        8: patient_mapping.sex_of(who),
    }


def _is_marked(data: DesignationData, beside: Beside) -> bool:
    """Whether a protection mark goes with what may be a name."""
    return beside.level == "identified" and (data.protected or beside.protected)


def _lies_at(details: Details | None) -> str:
    """PL: ward and facility."""
    if details is None or details.from_ward is None:
        return ""
    return _location(details.from_ward, "", "", details.from_hospital or "")


def _plan(expected: str, details: Details | None) -> dict[int, str]:
    """PV2: when they are to come, and to leave."""
    leaves_at = details.planned_discharge_at if details else None
    said = {_EXPECTED_ADMISSION: expected, _EXPECTED_DISCHARGE: leaves_at and _time(leaves_at)}
    return {field: value for field, value in said.items() if value}


def _joined(components: Sequence[Sequence[str]]) -> str:
    """A composite of components of subcomponents."""
    return "^".join("&".join(map(_escaped, each)) for each in components)


def _number(visit: VisitRef) -> str:
    return f"{_escaped(visit.visit)}^^^{_escaped(visit.source)}^VN"


def _expected(data: DesignationData) -> str:
    """A change to no time at all deletes the one that the receiver may have."""
    if data.expected_at is not None:
        return _time(data.expected_at)
    return _DELETES if data.kind is Kind.CHANGED else ""


def _place(data: DesignationData) -> str:
    """PL: ward, room, bed, facility."""
    return _location(data.ward, data.room or "", data.bed or "", data.hospital or "")


def _location(*parts: str) -> str:
    return "^".join(map(_escaped, parts)).rstrip("^")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S+0000")


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
