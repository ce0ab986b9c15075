"""Which bytes are an export, and what is said of those that are not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.outcome import Trouble
from adapters.elvis.format import ExportFormat
from adapters.elvis.parse import Export, may_be_growing, parse
from adapters.elvis.rows import MAX_ROWS, read_lines
from tests.elvis.exports import FORM, Row, export

GOOD = export(0, Row("B1", "12", "1", "TEST-001", mark="B2"), Row("", "", "", "TEST-002"))
TEXT = GOOD.text()


def _parsed(text: str, form: ExportFormat = FORM) -> Export | Trouble:
    return parse(text.encode("windows-1252"), form)


def test_an_export_tells_time_hospital_wards_and_rows_with_their_lines() -> None:
    parsed = _parsed(TEXT)
    assert isinstance(parsed, Export)
    assert parsed.exported_at == datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
    assert (parsed.hospital, parsed.wards) == ("SÄS Borås", ("B1", "B2"))
    assert [row.line for row in parsed.rows] == [5, 6, 7, 8]
    assert parsed.rows[2].cells[parsed.columns["mark"]] == "B2"


EDITS: dict[str, tuple[Callable[[str], str], str, str | None]] = {
    "empty": (lambda _: "", "trailer-missing", "line 1"),
    "no trailer": (lambda text: text[: text.rindex("Antal")], "trailer-missing", "line 8"),
    "cut in a row": (lambda text: text[: text.index("ST-002")], "trailer-missing", "line 8"),
    "cut after the names": (lambda text: text[: text.index("B1;9")], "trailer-missing", None),
    "cut in a quoted cell": (
        lambda text: text[: text.index("TEST-002")] + '"TEST',
        "csv-unreadable",
        "line 8",
    ),
    "a row lost": (lambda text: text.replace("B1;9;9;;;;;;;;;\r\n", ""), "count-differs", "line 8"),
    "count not a number": (
        lambda text: text.replace("rader;4", "rader;fyra"),
        "count-differs",
        "line 9",
    ),
    "count missing": (lambda text: text.replace("rader;4", "rader"), "header-unexpected", "line 9"),
    "no hospital row": (
        lambda text: text.replace("Sjukhus", "Sjukhuset"),
        "header-unexpected",
        "line 1",
    ),
    "hospital empty": (lambda text: text.replace("SÄS Borås", ""), "header-unexpected", "line 2"),
    "a ward without code": (
        lambda text: text.replace("B1,B2", "B1,,B2"),
        "header-unexpected",
        "line 3",
    ),
    "column renamed": (
        lambda text: text.replace("Sekretess", "Skydd"),
        "header-unexpected",
        "line 4",
    ),
    "column missing": (lambda text: text.replace(";Sekretess", ""), "header-unexpected", "line 4"),
    "column twice": (
        lambda text: text.replace("Sekretess", "Sekretess;Rum"),
        "header-unexpected",
        "line 4",
    ),
    "comma instead of semicolon": (
        lambda text: text.replace(";", ","),
        "header-unexpected",
        "line 1",
    ),
    "nothing but separators": (
        lambda text: text + ";\n" * MAX_ROWS,
        "too-many-rows",
        f"line {MAX_ROWS + 1}",
    ),
    "export time in words": (
        lambda text: text.replace("2026-03-02 12:00:00", "i dag"),
        "export-time-unreadable",
        "line 1",
    ),
    "export time in the hour that spring skips": (
        lambda text: text.replace("2026-03-02 12:00:00", "2026-03-29 02:30:00"),
        "export-time-unreadable",
        "line 1",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_file_that_is_no_export_says_why_and_where(name: str) -> None:
    edit, reason, where = EDITS[name]
    edited = edit(TEXT)
    assert edited != TEXT
    refused = _parsed(edited)
    assert isinstance(refused, Trouble), refused
    assert (refused.reason, refused.where) == (reason, where)


def test_every_proper_beginning_of_a_file_may_be_growing() -> None:
    payload = GOOD.payload()
    for size in range(len(payload) - 2):
        assert may_be_growing(payload[:size], FORM), payload[:size]
    assert not may_be_growing(payload, FORM)


def test_no_proper_beginning_of_a_file_is_an_export_before_its_count() -> None:
    payload = GOOD.payload()
    beginnings = range(payload.index(b"rader;") + len(b"rader;"))
    assert all(isinstance(parse(payload[:size], FORM), Trouble) for size in beginnings)


def test_columns_may_stand_in_any_order_beside_ignored_ones() -> None:
    form = ExportFormat(ignored_columns=("Kommentar",))
    names, row = FORM.columns.named(), Row("B1", "12", "1", "TEST-001", mark="B2")
    order = [*reversed(names)]
    cells = dict(zip(names, row, strict=True))
    text = "\n".join(
        [
            "Avdelningar;B1",
            "Sjukhus;SÄS",
            "Exporttid;2026-03-02 12:00",
            ";".join(["Kommentar", *(names[field] for field in order)]),
            ";".join(["fritext", *(cells[field] for field in order)]),
            "Antal rader;1",
        ]
    )
    parsed = _parsed(text, form)
    assert isinstance(parsed, Export)
    assert parsed.rows[0].cells[parsed.columns["patient"]] == "TEST-001"
    assert isinstance(_parsed(text), Trouble)


def test_what_is_said_of_a_file_without_column_names_quotes_none_of_its_cells() -> None:
    refused = _parsed(TEXT.replace(";".join(FORM.columns.named().values()) + "\r\n", ""))
    assert isinstance(refused, Trouble)
    assert refused.reason == "header-unexpected"
    assert "TEST-00" not in refused.detail


def test_a_byte_outside_the_charset_is_named_with_line_and_place() -> None:
    refused = parse(GOOD.payload().replace(b"TEST-002", b"TEST\x81"), FORM)
    assert isinstance(refused, Trouble)
    assert (refused.reason, refused.where) == ("charset-differs", "line 8, byte 8")


def test_utf8_is_not_taken_for_windows_1252() -> None:
    for encoded in (TEXT.encode("utf-8"), TEXT.encode("utf-8-sig")):
        refused = parse(encoded, FORM)
        assert isinstance(refused, Trouble)
        assert refused.reason in {"header-unexpected", "charset-differs"}


@pytest.mark.parametrize("charset", ["windows-1252", "utf-8", "utf-8-sig", "iso-8859-15"])
def test_swedish_letters_are_exact_in_each_configured_charset(charset: str) -> None:
    letters = "åäöÅÄÖéÉü"
    text = export(0, Row("B1", letters, "1", "TEST-001")).text()
    parsed = parse(text.encode(charset), ExportFormat(charset=charset))
    assert isinstance(parsed, Export)
    assert parsed.rows[-1].cells[parsed.columns["room"]] == letters


@given(st.binary(max_size=400))
def test_no_bytes_raise(noise: bytes) -> None:
    payload = GOOD.payload()
    for mixed in (noise, payload + noise, payload[:150] + noise + payload[150:]):
        assert isinstance(parse(mixed, FORM), Export | Trouble)


@given(st.text(st.characters(exclude_characters='"\r\n'), min_size=1), st.sampled_from(";,\t|"))
def test_a_line_without_quotes_is_read_as_the_library_reads_it(line: str, delimiter: str) -> None:
    rows = read_lines(line, delimiter)
    assert not isinstance(rows, Trouble)
    (row,) = rows
    assert list(row.cells) == next(csv.reader([line], delimiter=delimiter, strict=True))
