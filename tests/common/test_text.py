"""What may leave an adapter: no control character, and nothing invisible in an identifier."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.text import cleaned, is_readable

ANY = st.text(st.characters(codec=None))  # half surrogate pairs too
NEVER_LET_OUT = {"Cc", "Cs", "Zl", "Zp"}
TURNS_TEXT = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

CASES: dict[str, tuple[str, bool, str]] = {
    "plain": ("V1", True, "V1"),
    "Swedish letters": ("Åkerö", True, "Åkerö"),
    "a blank within": ("A 1", True, "A 1"),
    "empty": ("", True, ""),
    "NUL": ("V\x00", False, "V"),
    "escape sequence of a terminal": ("1\x1b[31m", False, "1[31m"),
    "DEL": ("V\x7f", False, "V"),
    "C1": ("V\x9b1", False, "V1"),
    "tab": ("Bo\tErik", False, "Bo Erik"),
    "line ends": ("Bo\r\nErik", False, "Bo Erik"),
    "next line (C1)": ("Bo\x85Erik", False, "Bo Erik"),
    "file separator": ("Bo\x1cErik", False, "Bo Erik"),
    "line separator": ("Bo\u2028Erik", False, "Bo Erik"),
    "paragraph separator": ("Bo\u2029Erik", False, "Bo Erik"),
    "right-to-left override": ("4\u202e321", False, "4321"),
    "isolate": ("4\u2067321", False, "4321"),
    "half a surrogate pair": ("V\ud800", False, "V"),
    "byte order mark within": ("V\ufeff1", False, "V\ufeff1"),
    "zero width space": ("V\u200b1", False, "V\u200b1"),
    "no-break space": ("V\u00a01", False, "V\u00a01"),
    "soft hyphen": ("V\u00ad1", False, "V\u00ad1"),
    "joiner": ("\u0645\u06cc\u200c\u062e", False, "\u0645\u06cc\u200c\u062e"),
    "replacement character": ("Str\ufffdm", False, "Str\ufffdm"),
    "private use": ("V\ue000", False, "V\ue000"),
    "no character": ("V\ufffe\U0001ffff", False, "V"),
    "only controls": ("\x00\t\x7f", False, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_readable_and_what_is_left_of_free_text(case: str) -> None:
    text, readable, clean = CASES[case]
    assert (is_readable(text), cleaned(text)) == (readable, clean)


@given(ANY)
def test_nothing_that_misleads_is_let_out(text: str) -> None:
    out = cleaned(text)
    assert not {unicodedata.category(sign) for sign in out} & NEVER_LET_OUT
    assert not {unicodedata.bidirectional(sign) for sign in out} & TURNS_TEXT
    assert cleaned(out) == out
    if is_readable(text):
        assert out == text, "what may stand in a key is let out as it is"
