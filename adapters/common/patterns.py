"""File name patterns (``*``, ``?``, ``[…]``), and whether one name can match two of them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

_PART: Final = re.compile(r"\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_. åäö"
"""What names are made of: signs in brackets are tried with these."""


def common_name(one: str, other: str) -> str | None:
    """A name that fits both patterns, in small letters; None where none does.

    A walk over pairs of places in the two patterns, each pair once.
    """
    first, second = (_PART.findall(pattern.casefold()) for pattern in (one, other))
    names: dict[tuple[int, int], str] = {(0, 0): ""}
    waiting = [(0, 0)]
    while waiting:
        at = waiting.pop()
        if at == (len(first), len(second)):
            return names[at]
        for sign, place in _steps(first, second, at):
            if place not in names:
                names[place] = names[at] + sign
                waiting.append(place)
    return None


def _steps(
    first: list[str], second: list[str], at: tuple[int, int]
) -> list[tuple[str, tuple[int, int]]]:
    """Where one more sign, or none, leads."""
    i, j = at
    a, b = (first[i] if i < len(first) else ""), (second[j] if j < len(second) else "")
    steps = []
    if a == "*":
        steps.append(("", (i + 1, j)))
    if b == "*":
        steps.append(("", (i, j + 1)))
    if a and b and (sign := _common_sign(a, b)):
        steps.append((sign, (i + (a != "*"), j + (b != "*"))))
    return [step for step in steps if step[1] != at]


def _common_sign(a: str, b: str) -> str:
    """A sign that both parts stand for."""
    literal = next((each for each in (a, b) if each not in {"*", "?"} and each[0] != "["), None)
    candidates = literal if literal is not None else "x" + _LETTERS
    fits = (sign for sign in candidates if _is_for(a, sign) and _is_for(b, sign))
    return next(fits, "")


def _is_for(part: str, sign: str) -> bool:
    return part == "*" or fnmatchcase(sign, part)
