"""Reads the export time from a file name, by a pattern such as ``elvis_*_%Y%m%d_%H%M.csv``.

``%Y %y %m %d %j %H %M %S`` stand for digits, ``*`` for anything, all else for itself; upper and lower case are
the same. Total: a text that can be read as a time (:data:`FORM`), or None.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from unicodedata import normalize

from adapters.common.filename import as_text

FORM: Final = "%Y-%m-%d %H:%M:%S"
"""Of what is read in a name; its zone is the feed's."""

_DIGITS: Final = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "M": 2, "S": 2}
_TOKEN: Final = re.compile(r"%(.?)|(\*)|([^%*]+)", re.DOTALL)


class NameTime:
    """One pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = normalize("NFC", pattern)
        self._directives = [
            one for one in re.findall(r"%(.?)", self._pattern, re.DOTALL) if one != "%"
        ]

    def fault(self) -> str | None:
        """Why no name could tell the time by it."""
        known = set(self._directives) & _DIGITS.keys()
        unknown = sorted(set(self._directives) - known)
        if unknown:
            return f"in a pattern of names %{unknown[0]} means nothing: use %Y %m %d %H %M %S and *"
        if len(known) < len(self._directives):
            return "a pattern of names has each part of the time once"
        has_day = {"m", "d"} <= known or "j" in known
        if not (known & {"Y", "y"} and has_day and "H" in known):
            return "a pattern of names needs a year, a day and an hour: %Y%m%d_%H%M"
        if "/" in self._pattern:
            return "a name has no folders"
        return None

    def text_in(self, name: str) -> str | None:
        """The time in a file's name, in :data:`FORM`; None where it is not there, or does not exist."""
        found = re.fullmatch(self._expression(), as_text(name), re.IGNORECASE | re.DOTALL)
        if found is None:
            return None
        forms = " ".join(f"%{one}" for one in self._directives)
        try:
            return datetime.strptime(" ".join(found.groups()), forms).strftime(FORM)  # noqa: DTZ007
        except ValueError:
            return None

    def sample(self) -> str:
        """A name that fits."""
        whole = re.sub(r"%([A-Za-z])", lambda one: "0" * _DIGITS.get(one[1], 0), self._pattern)
        return whole.replace("%%", "%").replace("*", "x")

    def _expression(self) -> str:
        return "".join(map(_part, _TOKEN.finditer(self._pattern)))


def _part(token: re.Match[str]) -> str:
    directive, any_text, literal = token.groups()
    if any_text:
        return ".*?"
    if literal is not None:
        return re.escape(literal)
    return f"([0-9]{{{_DIGITS[directive]}}})" if directive in _DIGITS else re.escape(directive)
