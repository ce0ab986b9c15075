"""The name of a visit at its source: its number and, where given, its assigner.

Format: ``NUMBER@ASSIGNER``, or just the number where nobody names an assigner (HL7 v2.5.1 section 2A.14:
a number is unique among its assigner's only). ``@`` and ``%`` inside a part are percent-encoded, so that
the parts can be told again. A visit that its sender names now with its assigner and now without is two
here, unless the profile says whose numbers those without are.
"""

from __future__ import annotations

from typing import NamedTuple


class VisitNumber(NamedTuple):
    """A visit's id, its number as sent, which ids of observations are made from, and where it stands."""

    id: str
    as_sent: str
    where: str


def visit_id(number: str, assigner: str | None) -> str:
    """The visit's id; an assigner that is empty is none."""
    return f"{_escaped(number)}@{_escaped(assigner)}" if assigner else _escaped(number)


def is_named(visit: str, asked: str) -> bool:
    """Whether somebody who asks for a visit means this one: by its id, or its number, whoever gave it."""
    return asked == visit or asked == _unescaped(visit.partition("@")[0])


def _unescaped(part: str) -> str:
    return part.replace("%40", "@").replace("%25", "%")


def _escaped(part: str) -> str:
    if "@" not in part and "%" not in part:  # nearly always
        return part
    return part.replace("%", "%25").replace("@", "%40")
