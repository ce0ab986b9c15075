"""The accepted forms of a patient number: one rule for all adapters. Pure and total.

Invariant: what a spreadsheet made of a number is no number. Two patients' numbers become one in scientific
notation (``2.00001E+11``), and a number with lost leading zeros is another patient's, or nobody's: what is
damaged is refused with what it looks like, and never mended by a guess. A reason names the shape, never the
value. Which characters and how many of them may stand in it: ``adapters.common.text`` and ``outcome``.
"""

from __future__ import annotations

import re
from typing import Final

from schemas.identifiers import IdentifierKind, classify

_DIGITS_WITHOUT_CENTURY: Final = 10
_FEWEST_DIGITS_LEFT: Final = (
    7  # a year may be 00 and a month 0M, and then the month is the first digit left
)
LOST_ZEROS: Final = "a personnummer whose leading zeros are lost"
"""What a number that :func:`has_lost_zeros` looks like, where it is known to be of such a kind."""
_FIRST_SIGNS: Final = {
    "'": "text that a spreadsheet marks by an apostrophe",
    "\u2019": "text that a spreadsheet marks by an apostrophe",
    "=": "a spreadsheet's formula",
    "#": "a spreadsheet's error value",
}
_SHAPES: Final = (
    # With a decimal part an exponent may lack its sign (Java); without, the sign tells it from a local number.
    (r"[+-]?\d+(?:[.,]\d+[eE][+-]?|[eE][+-])\d+", "a number in scientific notation"),
    (r"[+-]?\d+[.,]0+", "a number with decimals"),
    (r"[+-]?\d{1,3}(?P<sign>[ .,'\u2019\u00a0\u2009\u202f])\d{3}(?:(?P=sign)\d{3})*",
     "a number with its digits in groups of three"),
    (r"(?s).*[!?].*", "a remark, not a number"),
    (r"(?:19|20)\d\d-[01]\d-[0-3]\d(?:[ T].*)?", "a date"),  # 1900-01-00 too: a nought
)  # fmt: skip
_DAMAGES: Final = tuple((re.compile(shape, re.ASCII), name) for shape, name in _SHAPES)


def fault_of(number: str) -> str | None:
    """What a text looks like that cannot be a patient's number; None for one that can."""
    if number.isalnum() and (len(number) > 1 or number.isdecimal()):  # nearly every number
        return None
    return _shape_fault(number)


def has_lost_zeros(number: str) -> bool:
    """Whether it is a personnummer or samordningsnummer without century if zeros are put in front."""
    if not (number.isascii() and number.isdecimal()):
        return False
    if not _FEWEST_DIGITS_LEFT <= len(number) < _DIGITS_WITHOUT_CENTURY:
        return False
    return classify(number.zfill(_DIGITS_WITHOUT_CENTURY)).kind is IdentifierKind.UNCERTAIN


def _shape_fault(number: str) -> str | None:
    first = number[:1]
    if first in _FIRST_SIGNS:
        return _FIRST_SIGNS[first]
    for damage, name in _DAMAGES:
        if damage.fullmatch(number):
            return name
    if len(number) > 1 and any(map(str.isalnum, number)):
        return None
    return "a text without a digit or two letters"
