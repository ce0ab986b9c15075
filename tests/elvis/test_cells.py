"""Every function that reads something foreign gives a value or a reason, and raises nothing.

Extreme values are named; the rest is generated. One cell costs its field or its row, never the file.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from adapters.common.filename import matches
from adapters.common.outcome import Trouble, Verdict
from adapters.common.stamp import counted
from adapters.elvis import cells
from adapters.elvis.cells import Fault, Text
from adapters.elvis.format import MTIME, PROTECTION_CODES, YES_OR_NO, ExportFormat
from adapters.elvis.handle import incoming
from adapters.elvis.nametimes import NameTime
from adapters.elvis.outcomes import outcomes
from adapters.elvis.outside import Outside, given_by, moment_of
from adapters.elvis.parse import Export, may_be_growing, parse
from adapters.elvis.settings import ElvisSettings, Scope
from adapters.elvis.times import FIRST_YEAR, LAST_YEAR, ExportTimeReader
from schemas.observation import Protection
from schemas.ward import WardRegister
from tests.elvis.exports import FORM, NOON, Row, context, export
from tests.elvis.player import Player

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1", admitted="2026-03-01 10:00")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2", admitted="2026-03-01 10:00")

EXTREME = {
    "dotnet's empty date": "0001-01-01 00:00",
    "the year nought": "0000-00-00 00:00",
    "sql server's first day": "1753-01-01 00:00",
    "a spreadsheet's zero": "1899-12-30 00:00",
    "unix zero": "1970-01-01 00:00",
    "the last moment, far west": "9999-12-31 23:59:59-1400",
    "the last moment": "9999-12-31 23:59:59",
    "the last moment, far east": "9999-12-31 23:59:59+1400",
    "an offset of a day": "2026-03-02 12:00:00+2400",
    "an offset too large": "2026-03-02 12:00:00+9999",
    "a leap second": "2026-06-30 23:59:60",
    "a day that does not exist": "2026-02-30 10:00",
    "the hour that spring skips": "2026-03-29 02:30",
    "other scripts' digits": "２０２６-０３-０２ １２:００",
    "arabic digits": "٢٠٢٦-٠٣-٠٢ ١٢:٠٠",
    "nothing but digits": "9" * 5_000,
    "very long": "2026-03-02 12:00" + "0" * 1_000_000,
    "half a pair": "\ud800",
    "controls": "2026-03-02\x0012:00",
    "minus": "-2026-03-02 12:00",
}


@pytest.mark.parametrize("name", EXTREME)
def test_an_extreme_time_is_no_time(name: str) -> None:
    times = ExportTimeReader(FORM.time_forms, FORM.zone)
    assert isinstance(cells.time(EXTREME[name], times), Fault)
    assert times.read_second_pass(EXTREME[name]) is None


@pytest.mark.parametrize("name", [one for one in EXTREME if one != "half a pair"])
@pytest.mark.parametrize("column", ["expected", "planned_discharge", "admitted"])
def test_an_extreme_time_in_one_cell_costs_that_field(name: str, column: str) -> None:
    form = ExportFormat(charset="utf-8")
    settings = ElvisSettings(directory=Path("inbox"), format=form)
    player = Player(context(settings))
    odd = ANNA._replace(**{column: EXTREME[name]}, mark="B2")
    outcome = player.play_bytes(export(0, odd, BO).text().encode(), NOON)
    assert (outcome.verdict, len(outcome.observations)) == (Verdict.ACCEPTED, 2)
    assert [one.reason for one in outcome.warnings] == ["time-unreadable"]
    assert outcome.observations[0].claims.mark is not None


@pytest.mark.parametrize("name", [one for one in EXTREME if one != "half a pair"])
def test_an_extreme_export_time_refuses_the_file_and_raises_nothing(name: str) -> None:
    text = export(0, ANNA).text().replace("2026-03-02 12:00:00", EXTREME[name])
    refused = parse(text.encode(), ExportFormat(charset="utf-8"))
    assert isinstance(refused, Trouble)
    assert refused.reason == "export-time-unreadable"


COUNTS = [
    "9" * 5_000,
    "4" + "0" * 5_000,
    "-4",
    "+4",
    "4.0",
    "4e0",
    "٤",
    "²",
    "0x4",
    "4_0",
    " ",
    "NaN",
]


@pytest.mark.parametrize("count", COUNTS)
def test_an_extreme_count_refuses_the_file_and_raises_nothing(count: str) -> None:
    text = export(0, ANNA, BO).text().replace("rader;4", f"rader;{count}")
    refused = parse(text.encode(), ExportFormat(charset="utf-8"))
    assert isinstance(refused, Trouble)
    assert refused.reason == ("header-unexpected" if count == " " else "count-differs")


@pytest.mark.parametrize("size", [131_073, 2_000_000])
@pytest.mark.parametrize("column", ["ward", "room", "patient", "responsible", "mark", "leave"])
def test_a_huge_cell_costs_its_field_or_its_row(column: str, size: int) -> None:
    player = Player()
    odd = ANNA._replace(**{column: "x" * size})
    outcome = player.play(export(0, odd, BO))
    assert outcome.verdict is Verdict.ACCEPTED
    assert len(outcome.warnings) == 1
    assert len(outcome.observations) == (1 if column == "patient" else 2)


# -- every function, generated --------------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=20).map("".join),
    st.sampled_from(sorted(EXTREME.values(), key=len)[:-1] + COUNTS),
    st.from_regex(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[ T]?[0-9:]{0,8}([+-][0-9]{4})?"),
    st.from_regex(r"[-+]?[0-9]{1,14}([.,][0-9]*)?([eE][-+]?[0-9]{1,6})?"),
)
REGISTER = WardRegister(open_register=True)
TIMES = ExportTimeReader(
    (*FORM.time_forms, "%d/%m/%y %H.%M", "%j %Y %H", "%Y-%m-%dT%H:%M:%S.%f%z"), FORM.zone
)

READS: dict[str, Callable[[str, str], object]] = {
    "time": lambda text, _: cells.time(text, TIMES),
    "second pass": lambda text, _: TIMES.read_second_pass(text),
    "leave code": lambda text, _: cells.code(text, YES_OR_NO, "leave_codes"),
    "protection": lambda text, _: cells.protection(text, PROTECTION_CODES),
    "free text": lambda text, _: cells.free_text(text),
    "ward": lambda text, other: cells.ward(text, other, "elvis", REGISTER),
    "number": lambda text, _: cells.number_fault(text, is_national=True),
    "number of others": lambda text, _: cells.number_fault(text, is_national=False),
    "identifier": cells.identifier,
    "oddity": lambda text, other: cells.number_oddity(cells.identifier(text, other)),
    "visit": cells.visit_fault,
    "count": lambda text, _: counted(text),
    "name time": lambda text, other: NameTime(other).text_in(text),
    "pattern's fault": lambda text, _: NameTime(text).fault(),
    "pattern's sample": lambda text, _: NameTime(text).sample(),
    "name": matches,
}


@pytest.mark.parametrize("kind", READS)
@given(text=texts, other=texts)
def test_whatever_stands_there_nothing_raises(kind: str, text: str, other: str) -> None:
    began = clock.perf_counter()
    READS[kind](text, other)
    event(f"slow: {clock.perf_counter() - began > 0.1}")


@given(texts)
def test_what_is_read_is_what_may_leave(text: str) -> None:
    """No control character, no moment that nobody is cared for at, nothing that cannot be written."""
    ward = cells.ward(text, "", "elvis", REGISTER)
    for value in (ward, cells.free_text(text)):
        if isinstance(value, Text):
            assert value.value.encode() is not None
            assert not any(sign < " " or "\x7f" <= sign <= "\x9f" for sign in value.value)
        elif isinstance(value, str):
            assert value.isprintable()
            assert len(value) <= cells.MAX_CELL_CHARS
    if cells.number_fault(text, is_national=True) is None:
        assert text.isprintable()
    moment = cells.time(text, TIMES)
    if isinstance(moment, datetime):
        assert FIRST_YEAR - 1 <= moment.year <= LAST_YEAR + 1
    assert isinstance(cells.protection(text, PROTECTION_CODES), Protection)


@given(st.integers())
@example(2**63 - 1)
@example(-(2**63))
@example(10**30)
def test_any_time_of_a_file_is_a_moment_or_none(mtime_ns: int) -> None:
    moment = moment_of(mtime_ns)
    assert moment is None or (moment.tzinfo is UTC and FIRST_YEAR <= moment.year <= LAST_YEAR)


BARE = ElvisSettings(
    directory=Path("inbox"),
    format=ExportFormat(header="names", exported_at=MTIME, trailer=False),
    scopes=(Scope(name="a", hospital="SÄS", wards=("B1",)),),
)
BY_NAME = BARE.model_copy(
    update={"format": ExportFormat(header="names", exported_at="*_%Y%m%d%H%M.csv", trailer=False)}
)


@given(texts, st.none() | st.integers(), st.sampled_from([BARE, BY_NAME]))
def test_whatever_a_file_is_called_and_whenever_it_was_changed_nothing_raises(
    name: str, mtime_ns: int | None, settings: ElvisSettings
) -> None:
    given_by(Outside(name, mtime_ns), settings)


@given(
    st.binary(max_size=300), st.sampled_from(["windows-1252", "utf-8", "utf-16", "cp037", "ascii"])
)
def test_no_bytes_raise_whatever_the_layout(noise: bytes, charset: str) -> None:
    good = export(0, ANNA).payload()
    for settings in (BARE, BY_NAME, ElvisSettings(directory=Path("inbox"))):
        form = settings.format.model_copy(update={"charset": charset})
        for mixed in (noise, good + noise, good[:150] + noise + good[150:]):
            assert isinstance(parse(mixed, form), Export | Trouble)
            assert isinstance(may_be_growing(mixed, form), bool)


rows = st.lists(st.lists(texts, min_size=12, max_size=12).map(lambda row: Row(*row)), max_size=4)


@given(rows)
def test_whatever_the_cells_are_every_row_has_an_outcome(generated: list[Row]) -> None:
    clean = [
        Row(*(one.translate(_SEPARATORS).encode("utf-8", "ignore").decode() for one in row))
        for row in generated
    ]
    settings = ElvisSettings(directory=Path("inbox"), format=ExportFormat(charset="utf-8"))
    payload = export(0, *clean).text().encode()
    told = outcomes(payload, "x.csv", NOON, context(settings))
    reasons = {one.reason for _, one in told}
    assert "internal-error" not in reasons
    event(f"rows: {len(told)}, file refused: {len(told) == 1 and len(clean) != 0}")


_SEPARATORS = str.maketrans({'"': None, ";": None, "\n": None, "\r": None})


@given(st.binary(max_size=200), texts, st.none() | st.integers())
def test_whatever_comes_is_taken_in(payload: bytes, name: str, mtime_ns: int | None) -> None:
    file = incoming(payload, name, NOON, context(), mtime_ns=mtime_ns)
    assert isinstance(file.parsed, Trouble)
    assert file.parsed.reason != "internal-error"
    assert file.raw.name is not None
    assert file.raw.name.isprintable()
