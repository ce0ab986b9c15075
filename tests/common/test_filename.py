"""File names: whatever bytes a file system keeps can be shown, told apart, and compared."""

from __future__ import annotations

import ast
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.filename import as_text, matches, shown

SHOWN = {
    b"export.csv": "export.csv",
    "SÄS Borås.csv".encode(): "SÄS Borås.csv",
    "SÄS Borås.csv".encode("latin-1"): r"S\xc4S Bor\xe5s.csv",
    b"a\nb.csv": r"a\x0ab.csv",
    b"a\x1b[31m.csv": r"a\x1b[31m.csv",
    b"--help.csv": "--help.csv",
    b'it\'s "one".csv': 'it\'s "one".csv',
    rb"a\xe5.csv": r"a\\xe5.csv",
    b"\xff\xfe\x80": r"\xff\xfe\x80",
    "a\u202egpj.csv".encode(): r"a\xe2\x80\xaegpj.csv",
    "a\u2028b".encode(): r"a\xe2\x80\xa8b",
}

file_names = st.binary(min_size=1, max_size=255).filter(lambda one: not {0, 47} & set(one))


@pytest.mark.parametrize("name", SHOWN)
def test_names_are_shown_escaped(name: bytes) -> None:
    assert shown(os.fsdecode(name)) == SHOWN[name]


@given(file_names)
def test_every_name_is_shown_printable_and_can_be_read_back(name: bytes) -> None:
    text = shown(os.fsdecode(name))
    assert text.isprintable()
    assert text.encode()  # no surrogate is left
    assert _read_back(text) == name


def _read_back(text: str) -> bytes:
    signs = "".join(sign if sign.isascii() else f"\\x{{{sign}}}" for sign in text)
    parts = signs.replace('"', '\\"').split("\\x{")
    back: bytes = ast.literal_eval(f'b"{parts[0]}"')
    for part in parts[1:]:
        back += part[0].encode() + ast.literal_eval(f'b"{part[2:]}"')
    return back


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert shown(text).isprintable()
    assert isinstance(as_text(text), str)
    assert isinstance(matches(text, text), bool)


@given(st.lists(st.integers(0, 0x10FFFF).map(chr)).map("".join))
def test_no_string_at_all_raises(text: str) -> None:
    assert shown(text).isprintable()
    assert isinstance(as_text(text), str)


@pytest.mark.parametrize(
    "name",
    [
        "SÄS Borås.csv".encode(),
        "SÄS Borås.csv".encode("latin-1"),
        "SÄS Borås.CSV".encode("windows-1252"),
        "SA\u0308S Bora\u030as.csv".encode(),  # as a Mac or some shares write it
    ],
)
def test_a_pattern_finds_a_name_in_whichever_encoding_it_was_written(name: bytes) -> None:
    assert matches(os.fsdecode(name), "SÄS*.csv")
    assert not matches(os.fsdecode(name), "NÄL*.csv")
