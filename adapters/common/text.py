"""The characters that may leave an adapter: one rule for HL7, FHIR and exports.

Sources: FHIR R4 section 2.6.2 and JSON (no code point below 32 but tab, CR and LF), CloudEvents 1.0
section 3.1 (no control characters, no half surrogate pair), Unicode 15 chapter 23 (controls, bidi
controls) and UAX 9. What cannot be seen makes two numbers look like one, or one text like another.

======================================  ==================================  ========================
text                                    identifier, code, key               free text (name, room, bed)
======================================  ==================================  ========================
C0, DEL and C1 controls                 unreadable                          removed, warning
line and paragraph separators           unreadable                          a blank, warning
marks that turn the direction of text   unreadable                          removed, warning
half a surrogate pair, no character     unreadable                          removed, warning
other signs that print nothing, blanks  unreadable                          kept (a joiner is spelling)
but U+0020, U+FFFD
======================================  ==================================  ========================

Why free text is not refused: a bed whose name has a stray sign is still the bed, and refusing it would
withhold a ward's patient. Why an identifier is: without the sign it may be somebody else's.

Invariant: both functions are total, and what they let out holds no control character.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.common.outcome import Trouble

TEXT_UNREADABLE: Final = "text-unreadable"
TEXT_CLEANED: Final = "text-cleaned"

_LOST: Final = "\ufffd"  # somebody before us did not know the character, and wrote this for it
_BREAKS: Final = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]+")
_NO_CHARACTERS: Final = "".join(
    chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)
)
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions
    f"\ud800-\udfff\ufdd0-\ufdef{_NO_CHARACTERS}\U000e0000-\U000e007f]"  # none, and tags
)


def is_readable(code: str) -> bool:
    """Whether an identifier, a code or a key holds only what can be seen, and blanks (U+0020)."""
    return code.isprintable() and _LOST not in code


def cleaned(text: str) -> str:
    """Free text without what must not be let out; the same object where there is nothing to do."""
    if text.isprintable():  # nearly always
        return text
    return _HIDDEN.sub("", _BREAKS.sub(" ", text)).strip()


def unreadable(where: str) -> Trouble:
    """What is said of an identifier, a code or a key that is not :func:`is_readable`."""
    detail = "a control or invisible character stands in an identifier or code: correct it there"
    return Trouble(TEXT_UNREADABLE, detail, where)


def was_cleaned(where: str) -> Trouble:
    """What is said of free text that is used without the characters that :func:`cleaned` removes."""
    return Trouble(TEXT_CLEANED, "control characters were removed from a text", where)
