"""Field paths of a profile (``PV1-42``, ``ZVG-3.1``) and conditions on fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator

_FIELD: Final = r"([A-Z][A-Z0-9]{2})-([1-9]\d{0,2})(?:\.([1-9]\d?))?"
_PATH: Final = re.compile(_FIELD)
_VALUE: Final = r"""(?:"[^"]*"|'[^']*'|[^\s"'=!]+)"""
_VALUES: Final = re.compile(_VALUE)
_CLAUSE: Final = re.compile(rf"{_FIELD}\s*(!?=)\s*({_VALUE}(?:\s+or\s+{_VALUE})*)")
_AND: Final = re.compile(r"\s+and\s+")


class FieldPath(NamedTuple):
    """Where a value stands: segment, field, component (0: the whole field)."""

    segment: str
    field: int
    component: int
    text: str


def field_path(text: str) -> FieldPath:
    """``PV1-42`` or ``ZVG-3.1``; raises ValueError for anything else."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} names no field: write PV1-42, or ZVG-3.1 for a component")
    return _path(match, text)


def _path(match: re.Match[str], text: str) -> FieldPath:
    return FieldPath(match[1], int(match[2]), int(match[3] or 0), text)


class Clause(NamedTuple):
    """Whether a field has one of the values, or (``is_in`` false) none of them."""

    path: FieldPath
    is_in: bool
    values: frozenset[str]


class Condition(NamedTuple):
    """All of the clauses."""

    clauses: tuple[Clause, ...]

    def holds(self, value_of: Callable[[FieldPath], str]) -> bool:
        """Whether it does, by what the fields say; "" where one says nothing."""
        return all((value_of(path) in values) is is_in for path, is_in, values in self.clauses)


def condition(text: str) -> Condition:
    """``ZTR-3 = "A"``, ``ZTR-3 != "D" and ZTR-1 = "W" or "X"``; raises ValueError."""
    clauses, position = [], 0
    while match := _CLAUSE.match(text, position):
        values = frozenset(
            value.strip("\"'") for value in _VALUES.findall(match[5]) if value != "or"
        )
        path = _path(match, text[match.start() : match.end(3) if match[3] else match.end(2)])
        clauses.append(Clause(path, match[4] == "=", values))
        position = match.end()
        joint = _AND.match(text, position)
        if joint is None:
            break
        position = joint.end()
    if not clauses or text[position:].strip():
        raise ValueError(
            f"{text!r} is no condition: write 'ZTR-3 = \"A\"'; != for another value than that, "
            '= "A" or "B" for one of several, and "and" between conditions on several fields'
        )
    return Condition(tuple(clauses))


def _known_field(text: str) -> str:
    return field_path(text).text


def _known_condition(text: str) -> str:
    condition(text)
    return text


FieldName = Annotated[str, AfterValidator(_known_field)]
"""A field, as text."""

ConditionText = Annotated[str, AfterValidator(_known_condition)]
"""A condition, as text."""
