"""Kinds of failures that public bug reports tell of readers of CSV and watchers of directories.

Each names a report of the kind; the inputs are ours. What a spreadsheet does to numbers: ``test_cases``.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.common.outcome import Verdict
from adapters.elvis import waiting
from adapters.elvis.parse import Export, parse
from adapters.elvis.settings import Watching
from schemas.observation import What
from tests.elvis.exports import FORM, NOON, File, Row, export
from tests.elvis.player import Player
from tests.elvis.ward import Ward

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1", admitted="2026-03-01 10:00", mark="B2")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2", admitted="2026-03-01 10:00")
TEXT = export(0, ANNA, BO).text()


def _padded(text: str) -> str:
    """As a spreadsheet saves it: every row as wide as the widest, blank lines too."""
    lines = [line + ";" * (11 - line.count(";")) for line in text.splitlines()]
    lines[3:3] = [";" * 11]
    return "\r\n".join([*lines, ";" * 11, ";" * 11, ""])


SAVED: dict[str, Callable[[str], str]] = {
    # mholt/PapaParse#951, PowerShell/PowerShell#7776
    "a hint of the delimiter before all": lambda text: "sep=;\r\n" + text,
    "a hint in capitals": lambda text: "SEP=;\r\n" + text,
    # BaseXdb/basex#164, mholt/PapaParse#43, votingworks/arlo#883
    "lines end with a carriage return": lambda text: text.replace("\r\n", "\r"),
    "lines end with a line feed": lambda text: text.replace("\r\n", "\n"),
    "lines end in two ways": lambda text: text.replace("\r\n", "\n", 3),
    # bardsoftware/ganttproject#1634, firefly-iii/firefly-iii#691
    "rows padded, and blank rows of delimiters": _padded,
    "blank lines between": lambda text: text.replace("\r\n", "\r\n\r\n"),
    "blanks in a blank row": lambda text: text.replace("B1;9;9", " ; ;\t;;;;;;;;;\r\nB1;9;9"),
    # deephaven/deephaven-core#1800, duckdb/duckdb#7196, elastic/kibana#8074
    "every row ends with a delimiter, the names too": lambda text: text.replace("\r\n", ";\r\n"),
    "every cell quoted": lambda text: (
        "\r\n".join(";".join(f'"{cell}"' for cell in line.split(";")) for line in text.splitlines())
        + "\r\n"
    ),
    "no line end at the end": lambda text: text.rstrip(),
    "blanks around each cell": lambda text: text.replace(";", " ; "),
}


@pytest.mark.parametrize("name", SAVED)
def test_what_programs_do_to_a_file_as_a_whole_does_not_change_what_it_says(name: str) -> None:
    saved = SAVED[name](TEXT)
    assert saved != TEXT
    plain, other = Player(), Player()
    plain.play_bytes(TEXT.encode("windows-1252"), NOON)
    told = other.play_bytes(saved.encode("windows-1252"), NOON)
    assert (told.verdict, told.warnings) == (Verdict.ACCEPTED, ())
    assert [one.claims for one in other.observations] == [one.claims for one in plain.observations]


def test_what_stands_behind_the_last_named_column_is_not_passed_over() -> None:
    """A cell that the delimiter has cut: what follows it stands in the wrong columns."""
    lines = [line + ";" for line in TEXT.splitlines()]
    (anna,) = [at for at, line in enumerate(lines) if "TEST-001" in line]
    lines[anna] = lines[anna].replace(";2;1;", ";2;b;1;").removesuffix(";;") + ";Nej"
    assert lines[anna].count(";") == lines[anna - 1].count(";")
    told = Player().play_bytes("\r\n".join([*lines, ""]).encode("windows-1252"), NOON)
    assert [one.reason for one in told.warnings] == ["wrong-number-of-cells"]
    assert len(told.observations) == 1


# -- quotes: OpenRefine/OpenRefine#690, JoshClose/CsvHelper#1338, jexp/batch-import#50 ----------------------

QUOTED = {
    "a quote opens a cell and never ends": '"2',
    "a quoted word begins a cell": '"Ö" 2',
    "a quoted word with a delimiter": '"RUM "2;"  "',
    "three quotes": '"""',
}
HARMLESS = {"a quote within a cell": '2" bred', "a quote at the end": '2"'}


@pytest.mark.parametrize("name", QUOTED)
@pytest.mark.parametrize("more", ["", '"Ö" 3'])
def test_a_quote_in_the_wrong_place_costs_its_row_and_ends_nobody(name: str, more: str) -> None:
    player = Player()
    player.play(export(0, ANNA, BO))
    others = [Row("B2", more, str(bed), f"TEST-1{bed:02}", mark="B1") for bed in range(3)]
    file = export(1, ANNA._replace(room=QUOTED[name]), *others)
    told = player.play(file)
    assert told.verdict is Verdict.ACCEPTED
    broken = [
        one for one in told.warnings if one.reason in {"csv-unreadable", "wrong-number-of-cells"}
    ]
    assert [one.where for one in broken] == [f"line {7 + at}" for at in range(4 if more else 1)]
    assert What.DISCHARGED not in [one.what for one in told.observations]
    assert len(told.observations) == (0 if more else 3)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_quote_within_a_cell_is_a_letter(name: str) -> None:
    told = Player().play(export(0, ANNA._replace(room=HARMLESS[name]), BO))
    assert told.warnings == ()
    place = told.observations[0].claims.place
    assert place is not None
    assert place.room == HARMLESS[name]


@given(st.data())
def test_quotes_anywhere_never_change_what_another_row_says(data: st.DataObject) -> None:
    rows = [Row("B1", "9", "9"), Row("B2", "9", "9"), ANNA, BO]
    lines = File(0, rows).text().splitlines()
    at = data.draw(st.integers(4, 7))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:place] + '"' + lines[at][place:]
    told = Player().play_bytes("\r\n".join([*lines, ""]).encode("windows-1252"), NOON)
    said = {one.patient.identifiers[0].value: one.claims.mark for one in told.observations}
    assert told.verdict is Verdict.ACCEPTED
    others = {"TEST-001": 6, "TEST-002": 7}
    for number, line in others.items():
        if line != at:
            assert number in said
    event(f"warnings: {len(told.warnings)}")


def test_a_break_within_a_quoted_cell_is_a_blank() -> None:
    told = Player().play(export(0, ANNA._replace(room='"2\r\nvid fönster"'), BO))
    assert [one.reason for one in told.warnings] == ["text-cleaned"]
    place = told.observations[0].claims.place
    assert place is not None
    assert place.room == "2 vid fönster"


def test_a_text_file_of_a_spreadsheet_is_read_in_its_charset() -> None:
    """UTF-16 with tabs is what a spreadsheet calls Unicode text."""
    form = FORM.model_copy(update={"charset": "utf-16", "delimiter": "\t"})
    found = parse(TEXT.replace(";", "\t").encode("utf-16"), form)
    assert isinstance(found, Export)
    assert found.hospital == "SÄS Borås"


# -- directories ------------------------------------------------------------------------------------------


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path / "inbox")


def test_a_name_that_appears_before_its_content_is_waited_for(ward: Ward) -> None:
    """rakshasa/rtorrent#1757: some shares create the final name first, empty."""
    path = ward.directory / "a.csv"
    path.touch()
    ward.dated(path)
    ward.look_until_stable()
    assert ward.values("raw") == []
    ward.put("a.csv", export(0, ANNA))
    ward.look_until_stable()
    assert (ward.observed(), ward.values("review")) == (["TEST-001 described"], [])


def test_a_share_that_is_away_looks_like_an_empty_directory_and_ends_nobody(ward: Ward) -> None:
    """gorakhargosh/watchdog#802: what is unmounted is an empty folder."""
    ward.put("a.csv", export(0, ANNA))
    ward.look_until_stable()
    away = ward.directory.rename(ward.directory.with_name("away"))
    ward.directory.mkdir()
    for _ in range(3):
        ward.look_until_stable()
    ward.directory.rmdir()
    away.rename(ward.directory)
    ward.put("b.csv", export(15, ANNA, BO))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-002 described"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "inotify watch limit reached"),  # gorakhargosh/watchdog#673
        FileNotFoundError(errno.ENOENT, "the folder is gone"),  # ttilley/fssm#6
        RuntimeError("Unable to decode path to string"),
    ],
)
def test_whatever_a_watch_raises_the_directory_is_looked_at(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watches(*_: object, **__: object) -> object:
        raise error
        yield

    monkeypatch.setattr(waiting, "watch", watches)
    stopping, looked = threading.Event(), 0
    for _ in waiting.looks((tmp_path,), Watching(look_s=0.001), stopping):
        looked += 1
        if looked == 5:
            stopping.set()
    assert looked == 5


def test_a_folder_made_anew_is_looked_at(tmp_path: Path) -> None:
    stopping, looked = threading.Event(), 0
    folder = tmp_path / "inbox"
    folder.mkdir()
    for _ in waiting.looks((folder,), Watching(look_s=0.01), stopping):
        looked += 1
        if looked == 2:
            folder.rmdir()
        if looked == 4:
            folder.mkdir()
        if looked == 8:
            stopping.set()
    assert looked == 8


def test_a_file_that_its_writer_holds_open_is_tried_again(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, ANNA))
    opened = os.open

    def busy(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("a.csv"):
            raise OSError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        return opened(path, flags, mode)

    with monkeypatch.context() as held:
        held.setattr(os, "open", busy)
        ward.look_until_stable()
        assert ward.observed() == []
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
