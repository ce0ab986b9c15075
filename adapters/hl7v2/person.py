"""Reads demographics from PID: name (5), date of birth (7), sex (8); three-valued.

Source: HL7 v2.5.1 chapter 3 (PID) and 2A (XPN: family ^ given ^ further given … ^ type code (7), TS),
table 0001; sexes as the official v2-to-FHIR map has them. What cannot be read is absent, with a warning
that names the field only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from adapters.common.outcome import MAX_TEXT_CHARS
from adapters.hl7v2.case import Case, too_long
from adapters.hl7v2.limits import MAX_REPETITIONS
from adapters.hl7v2.reader import NULL, Segment
from schemas.patient import Person, Sex

_NAME, _BORN, _SEX = 5, 7, 8
_NAME_TYPE: Final = 7
_BEST_FIRST: Final = ("L", "", "D")  # legal, not said, display; table 0200
_DATE: Final = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:\d*(?:\.\d+)?(?:[+-]\d{4})?))?)?", re.ASCII)
_SEXES: Final[Mapping[str, Sex]] = {
    "F": "female", "M": "male", "U": "unknown", "O": "other", "A": "other", "N": "other",
}  # fmt: skip


def person_of(pid: Segment, case: Case) -> Person:
    """What the segment says; nothing of it is ever in a warning."""
    said: dict[str, str | None] = {}
    _name(pid, said, case)
    _born(pid, said, case)
    _sex(pid, said, case)
    return Person.model_validate(said)


def _name(pid: Segment, said: dict[str, str | None], case: Case) -> None:
    if pid.repeats_too_often(_NAME):
        case.warn("too-many-parts", f"more than {MAX_REPETITIONS} repetitions", "PID-5")
        return
    best = _best([_parts(pid, each) for each in pid.repetitions(_NAME)])
    if best is not None:
        family, given = best
        if max(len(family), len(given)) > MAX_TEXT_CHARS:
            case.warnings.append(too_long("PID-5"))
        else:  # one name is one statement: what it lacks is not left over from another
            said |= {"family": case.free(family, "PID-5") or None}
            said |= {"given": case.free(given, "PID-5") or None}
    elif pid.raw(_NAME).startswith(NULL):
        said |= {"family": None, "given": None}


def _parts(pid: Segment, repetition: str) -> tuple[str, str, str]:
    """Type, family name, given names."""
    components = [pid.subcomponents(each)[0] for each in pid.components(repetition)]
    family, given, further, *_ = [
        *("" if each == NULL else each for each in components),
        "",
        "",
        "",
    ]
    name_type = components[_NAME_TYPE - 1] if len(components) >= _NAME_TYPE else ""
    return name_type.upper(), family, " ".join(filter(None, (given, further)))


def _best(names: Sequence[tuple[str, str, str]]) -> tuple[str, str] | None:
    filled = [each for each in names if each[1] or each[2]]
    for wanted in _BEST_FIRST:
        for name_type, family, given in filled:
            if name_type == wanted:
                return family, given
    return None  # a maiden name or an alias is not who comes


def _born(pid: Segment, said: dict[str, str | None], case: Case) -> None:
    text = pid.first(_BORN)
    if text in {"", NULL}:
        said |= {"born": None} if text else {}
    elif (born := _as_date(text)) is not None:
        said["born"] = born
    else:
        case.warn("time-unreadable", "no date, month or year", "PID-7")


def _as_date(text: str) -> str | None:
    """As exact as it is said; a time of day is left out."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = found.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(filter(None, (year, month, day)))


def _sex(pid: Segment, said: dict[str, str | None], case: Case) -> None:
    code = pid.first(_SEX).upper()
    if code in {"", NULL}:
        said |= {"sex": None} if code else {}
    elif code in _SEXES:
        said["sex"] = _SEXES[code]
    else:
        case.warn("code-unknown", "no code of table 0001", "PID-8")
