"""Where a key stands in a TOML file: a small scanner of table headers and keys.

It knows what configurations are made of: ``[table]``, ``[[array of tables]]`` and ``key = value``
with bare or quoted keys. What stands inside an inline table or a list over several lines has the
line of its parent. A wrong line is a nuisance, never a wrong decision: parsing is ``tomllib``'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wardbridge.config.problems import Place

_KEY = r"""(?:[A-Za-zÅÄÖåäö0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEYS})\s*=")


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of each table and key."""
    found: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _table(header, found)
            found.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            found.setdefault((*table, *_split(assignment[1])), number)
    return found


def line_at(lines: Mapping[Place, int], place: Place) -> int | None:
    """The line of a place, or of the nearest table around it."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return None


def _table(header: re.Match[str], found: Mapping[Place, int]) -> Place:
    keys = _split(header[2])
    if header[1] == "[":
        return keys
    number = 0
    while (*keys, number) in found:
        number += 1
    return (*keys, number)


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))
