"""Exports without header rows, without column names, without a trailer; with their time in the name or the
file's own. The configuration is TOML, as users write it, and what cannot be meant is refused.
"""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.outcomes import outcomes
from adapters.elvis.settings import ElvisSettings
from schemas.observation import Location, What
from tests.elvis.exports import NOON, context
from tests.elvis.ward import Ward

NAMES = (
    "Avdelning;Rum;Plats;Patient-id;Medicinskt ansvarig enhet;Inskriven;Planerad utskrivning;"
    "Avsedd avdelning;Förväntad tid;Permission;Överbeläggning;Sekretess"
)
ANNA = "B1;12;1;TEST-001;B1;2026-03-02 08:00;;B2;;;;"
VACANT = ["B1;9;9;;;;;;;;;", "B2;9;9;;;;;;;;;"]
DATA = [*VACANT, ANNA]
SCOPE = """
[[scopes]]
name = "boras"
hospital = "SÄS Borås"
wards = ["B1", "B2"]
"""
POSITIONS = """
[format.columns]
ward = 1
room = 2
bed = 3
patient = 4
mark = 5
"""


def _settings(text: str, folder: Path = Path("inbox")) -> ElvisSettings:
    return ElvisSettings.model_validate({"directory": folder, **tomllib.loads(text)})


LAYOUTS: dict[str, tuple[str, str, list[str], str]] = {
    "no trailer": (
        "[format]\ntrailer = false\n",
        "export.csv",
        ["Exporttid;2026-03-02 12:00", "Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA],
        "12:00",
    ),
    "the file's own time": (
        '[format]\nexported_at = "mtime"\n',
        "export.csv",
        ["Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA, "Antal rader;3"],
        "13:00",
    ),
    "the file's own time although the header has one": (
        '[format]\nexported_at = "mtime"\n',
        "export.csv",
        [
            "Avdelningar;B1,B2",
            "Exporttid;i går",
            "Sjukhus;SÄS Borås",
            NAMES,
            *DATA,
            "Antal rader;3",
        ],
        "13:00",
    ),
    "a time in the name": (
        '[format]\nexported_at = "elvis_*_%Y%m%d-%H%M%S.csv"\n',
        "ELVIS_SÄS_20260302-121500.CSV",
        ["Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA, "Antal rader;3"],
        "12:15",
    ),
    "column names only": (
        f'[format]\nheader = "names"\nexported_at = "mtime"\n{SCOPE}',
        "export.csv",
        [NAMES, *DATA, "Antal rader;3"],
        "13:00",
    ),
    "column names only and no trailer": (
        f'[format]\nheader = "names"\ntrailer = false\nexported_at = "%y%m%d%H%M*.csv"\n{SCOPE}',
        "2603021230_full.csv",
        [NAMES, *DATA],
        "12:30",
    ),
    "nothing but data": (
        f'[format]\nheader = false\ntrailer = false\nexported_at = "mtime"\n{POSITIONS}{SCOPE}',
        "export.csv",
        ["B1;12;1;TEST-001;B2", "B1;9;9;;", "B2;9;9;;"],
        "13:00",
    ),
    "nothing but data, columns not read, and a trailer": (
        f'[format]\nheader = false\nexported_at = "mtime"\nignored_columns = [6, 7]\n{POSITIONS}{SCOPE}',
        "export.csv",
        ["B1;12;1;TEST-001;B2;x;y", "B1;9;9;;;x;y", "B2;9;9;;;x;y", "Antal rader;3"],
        "13:00",
    ),
}
"""What is configured, the file's name, its lines, and when it was exported (local time)."""

CHANGED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""13:00 in Stockholm."""


def _mtime_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _told(settings: ElvisSettings, name: str, lines: list[str]) -> list[InputOutcome]:
    payload = "\r\n".join([*lines, ""]).encode("windows-1252")
    received_at = NOON + timedelta(days=1)
    mtime_ns = _mtime_ns(CHANGED)
    return [one for _, one in outcomes(payload, name, received_at, context(settings), mtime_ns)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_as_its_configuration_says(layout: str) -> None:
    text, name, lines, local_time = LAYOUTS[layout]
    told = _told(_settings(text), name, lines)
    (anna,) = [one for outcome in told for one in outcome.observations]
    assert {one.reason for one in told} <= {"accepted", "place-vacant"}
    assert anna.claims.mark == Location(ward="B2")
    assert anna.claims.place == Location(ward="B1", room="12", bed="1")
    assert f"{anna.recorded_at + timedelta(hours=1):%H:%M}" == local_time


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_taken_from_a_directory(layout: str, tmp_path: Path) -> None:
    text, name, lines, _ = LAYOUTS[layout]
    ward = Ward(tmp_path, settings=_settings(text, tmp_path))
    path = tmp_path / name
    path.write_bytes("\r\n".join([*lines, ""]).encode("windows-1252"))
    os.utime(path, ns=(0, _mtime_ns(CHANGED)))
    ward.look_until_stable()
    assert (ward.observed(), ward.names()) == (["TEST-001 described"], [])


def test_a_row_with_a_cell_too_few_is_called_that_without_column_names() -> None:
    text, name, lines, _ = LAYOUTS["nothing but data"]
    told = _told(_settings(text), name, [*lines, "B1;1;1;TEST-002"])
    assert [(one.reason, one.where) for one in told if one.verdict is Verdict.REVIEW] == [
        ("wrong-number-of-cells", "line 4")
    ]
    assert "4 cells" in told[-1].detail
    assert "5" in told[-1].detail


# -- without a trailer a file may still grow --------------------------------------------------------------


def _ward_without_trailer(tmp_path: Path, more: str = "") -> Ward:
    text = f'[format]\nheader = "names"\ntrailer = false\nexported_at = "mtime"\n{more}{SCOPE}'
    return Ward(tmp_path, settings=_settings(text, tmp_path))


def _write(ward: Ward, name: str, lines: list[str]) -> Path:
    path = ward.directory / name
    path.write_bytes("\r\n".join([*lines, ""]).encode("windows-1252"))
    return ward.dated(path)


def test_a_file_without_trailer_is_not_taken_while_it_may_be_written(tmp_path: Path) -> None:
    ward = _ward_without_trailer(tmp_path)
    _write(ward, "a.csv", [NAMES, *VACANT])
    ward.look_until_stable()
    assert ward.values("raw") == []
    ward.clocks.passed_s += 30
    _write(ward, "a.csv", [NAMES, *DATA])
    for _ in range(3):
        ward.look_until_stable()
        assert ward.observed() == []
        ward.clocks.passed_s += 10
    ward.clocks.passed_s += 60
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]


def test_a_marker_says_that_a_file_without_trailer_is_complete(tmp_path: Path) -> None:
    ward = _ward_without_trailer(tmp_path, '[watching]\ndone_marker = ".klar"\n')
    _write(ward, "a.csv", [NAMES, *DATA])
    ward.look_until_stable()
    assert ward.observed() == []
    (tmp_path / "a.csv.klar").touch()
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]


def test_a_file_whose_time_is_ahead_of_ours_is_taken_all_the_same(tmp_path: Path) -> None:
    """A file server's clock is not ours: then it waits for as long by our own."""
    ward = Ward(tmp_path)
    lines = ["Exporttid;2026-03-02 12:00", "Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA]
    path = _write(ward, "a.csv", lines)
    ahead = ward.clocks.now().timestamp() + 86_400
    os.utime(path, (ahead, ahead))
    ward.look_until_stable()
    assert ward.values("review") == []
    ward.clocks.passed_s += 61
    ward.look_until_stable()
    assert b"trailer-missing" in ward.values("review")[0]


# -- without a time in it, the same bytes are another export -------------------------------------------


def test_the_same_bytes_at_a_later_time_are_another_export(tmp_path: Path) -> None:
    """Nothing has changed on the wards: that is news of who is still there, and of who is gone."""
    ward = _ward_without_trailer(tmp_path)
    for minute, lines in enumerate([DATA, VACANT, DATA, VACANT]):
        path = _write(ward, f"{minute}.csv", [NAMES, *lines])
        os.utime(path, ns=(0, _mtime_ns(NOON + timedelta(minutes=minute))))
        ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-001 discharged"] * 2
    assert ward.feed.figures.files_known == 0


def test_the_same_bytes_at_the_same_time_are_known(tmp_path: Path) -> None:
    ward = _ward_without_trailer(tmp_path)
    for name in ("a.csv", "b.csv"):
        path = _write(ward, name, [NAMES, *DATA])
        os.utime(path, ns=(0, _mtime_ns(NOON)))
        ward.look_until_stable()
    assert (ward.observed(), ward.feed.figures.files_known) == (["TEST-001 described"], 1)


def test_an_approved_file_keeps_the_time_of_its_name_and_its_own(tmp_path: Path) -> None:
    crowd = [f"B1;{bed};1;TEST-{bed:03d};B1;2026-03-02 08:00;;;;;;" for bed in range(10)]
    for number, at in enumerate(("mtime", "%Y%m%d%H%M.csv")):
        folder = tmp_path / str(number)
        text = f'[format]\nheader = "names"\nexported_at = "{at}"\n{SCOPE}'
        ward = Ward(folder, settings=_settings(text, folder))
        for minute, lines in enumerate([[*VACANT, *crowd], VACANT]):
            path = _write(
                ward, f"2026030212{minute:02}.csv", [NAMES, *lines, f"Antal rader;{len(lines)}"]
            )
            os.utime(path, ns=(0, _mtime_ns(NOON + timedelta(minutes=minute))))
            ward.look_until_stable()
        (kept,) = (folder / "rejected").glob("*.csv")
        kept.replace(folder / "approved" / kept.name)
        ward.look_until_stable()
        assert ward.observed().count("TEST-003 discharged") == 1


NO_TIMES = [
    "elvis.csv",
    "elvis_20260229_1200.csv",
    "elvis_20260302_2500.csv",
    "x_20260302_1200.csv",
]


@pytest.mark.parametrize("name", NO_TIMES)
def test_a_name_without_a_time_refuses_the_file_and_says_what_was_wanted(name: str) -> None:
    settings = _settings('[format]\nexported_at = "elvis_%Y%m%d_%H%M.csv"\n')
    (refused,) = _told(
        settings, name, ["Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA, "Antal rader;3"]
    )
    assert (refused.verdict, refused.reason) == (Verdict.REVIEW, "export-time-unreadable")
    assert "elvis_%Y%m%d_%H%M.csv" in refused.detail


def test_in_the_hour_that_autumn_repeats_a_name_means_its_first_pass_until_that_is_past() -> None:
    settings = _settings('[format]\nexported_at = "%Y%m%d%H%M.csv"\n')
    lines = ["Sjukhus;SÄS Borås", "Avdelningar;B1,B2", NAMES, *DATA, "Antal rader;3"]
    payload = "\r\n".join([*lines, ""]).encode("windows-1252")
    told = outcomes(
        payload, "202610250230.csv", datetime(2026, 11, 1, tzinfo=UTC), context(settings)
    )
    (anna,) = [one for _, outcome in told for one in outcome.observations]
    assert anna.recorded_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


# -- several scopes without header rows ------------------------------------------------------------------

TWO = """
[format]
header = "names"
exported_at = "mtime"
[[scopes]]
name = "boras"
hospital = "SÄS Borås"
wards = ["B1", "B2"]
files = "SÄS_*.csv"
[[scopes]]
name = "skene"
hospital = "SÄS Skene"
wards = ["S1"]
files = "skene_*.csv"
"""


def test_a_files_name_says_whose_it_is(tmp_path: Path) -> None:
    ward = Ward(tmp_path, settings=_settings(TWO, tmp_path))
    latin_1 = os.fsdecode("SÄS_1.csv".encode("latin-1"))
    _write(ward, latin_1, [NAMES, *DATA, "Antal rader;3"])
    _write(ward, "skene_1.csv", [NAMES, "S1;1;1;TEST-002;;;;;;;;", "Antal rader;1"])
    _write(ward, "nal_1.csv", [NAMES, *DATA, "Antal rader;3"])
    ward.look_until_stable()
    assert sorted(ward.observed()) == ["TEST-001 described", "TEST-002 described"]
    assert b"scope-unknown" in ward.values("review")[0]


# -- what cannot be meant ---------------------------------------------------------------------------------

CONTRADICTIONS: dict[str, tuple[str, str]] = {
    "no header rows, and the time is to be in them": (
        f"[format]\nheader = false\n{POSITIONS}{SCOPE}", "does not say when it was exported",
    ),
    "names only, and the time is to be in the header": (
        f'[format]\nheader = "names"\n{SCOPE}', "does not say when it was exported",
    ),
    "no header rows and no scopes": (
        '[format]\nheader = "names"\nexported_at = "mtime"\n', "give the scopes",
    ),
    "no header rows and two scopes with any files": (
        TWO.replace('files = "SÄS_*.csv"\n', ""), "`files` of its own",
    ),
    "no header rows and two scopes with the same files": (
        TWO.replace("SÄS_*.csv", "skene_*.csv"), "`files` of its own",
    ),
    "header rows and files that tell the scope": (
        f'{SCOPE}files = "boras_*.csv"\n', "without header rows",
    ),
    "no column names, and columns by name": (
        f'[format]\nheader = false\nexported_at = "mtime"\n[format.columns]\nward = 1\npatient = 2\nmark = "Avsedd"\n{SCOPE}',
        "give positions from 1",
    ),
    "no column names and no positions": (
        f'[format]\nheader = false\nexported_at = "mtime"\n{SCOPE}', "must be there",
    ),
    "no column names, and no position of the patient": (
        f'[format]\nheader = false\nexported_at = "mtime"\n[format.columns]\nward = 1\nmark = 2\n{SCOPE}',
        "must be there",
    ),
    "column names, and columns by position": (
        f"{POSITIONS}{SCOPE}", "set header = false",
    ),
    "a position that nothing has": (
        f'[format]\nheader = false\nexported_at = "mtime"\n[format.columns]\nward = 1\npatient = 3\n{SCOPE}',
        "of the positions 1 to 3",
    ),
    "a position that two have": (
        f'[format]\nheader = false\nexported_at = "mtime"\n[format.columns]\nward = 1\npatient = 1\n{SCOPE}',
        "stand for two fields",
    ),
    "a position that is ignored too": (
        f'[format]\nheader = false\nexported_at = "mtime"\nignored_columns = [5]\n{POSITIONS}{SCOPE}',
        "of the positions 1 to 5",
    ),
    "position nought": (
        "[format.columns]\nward = 0\n", "greater than or equal to 1",
    ),
    "no trailer, and a marker of it": (
        '[format]\ntrailer = false\nmarkers.count = "Rader"\n', "are not there",
    ),
    "no header rows, and a marker of them": (
        f'[format]\nheader = "names"\nexported_at = "mtime"\nmarkers.hospital = "Sjukhuset"\n{SCOPE}',
        "are not there",
    ),
    "two markers alike": (
        '[format]\nmarkers.hospital = "Avdelningar"\n', "each marker is another text",
    ),
    "a time that is neither header nor mtime nor a pattern": (
        '[format]\nexported_at = "ctime"\n', "needs a year, a day and an hour",
    ),
    "a pattern without hours": (
        '[format]\nexported_at = "elvis_%Y%m%d.csv"\n', "needs a year, a day and an hour",
    ),
    "a pattern that means nothing": (
        '[format]\nexported_at = "elvis_%Y%m%d_%Q.csv"\n', "means nothing",
    ),
    "a pattern with a part twice": (
        '[format]\nexported_at = "%Y%Y%m%d%H.csv"\n', "once",
    ),
    "a pattern that no name fits that is looked for": (
        '[format]\nexported_at = "elvis_%Y%m%d_%H%M.txt"\n', "no file would be found",
    ),
    "a pattern with folders": (
        '[format]\nexported_at = "%Y/%m%d%H.csv"\n', "no folders",
    ),
    "markers that are read as exports": (
        '[watching]\npattern = "*"\ndone_marker = ".klar"\n', "read as an export",
    ),
    "a delimiter that is a letter": ('[format]\ndelimiter = "a"\n', "cannot separate"),
    "a delimiter that quotes": ("[format]\ndelimiter = '\"'\n", "cannot separate"),
    "one delimiter for cells and wards": ('[format]\ndelimiter = ","\n', "are the same"),
    "a form that cannot be read": ('[format]\ntime_forms = ["%Y-%m-%d %K"]\n', "cannot be read back"),
    "a form without hours": ('[format]\ntime_forms = ["%Y-%m-%d"]\n', "cannot be read back"),
    "a code with two meanings": (
        '[format.leave_codes]\n"Ja" = true\n"JA " = false\n', "two meanings",
    ),
    "a charset of no text": ('[format]\ncharset = "base64"\n', "no charset"),
    "a charset that gives halves of letters": ('[format]\ncharset = "utf-7"\n', "no charset"),
    "a facility of a column that is not there": (
        '[format.columns]\nmark = ""\nmark_facility = "Sjukhus"\n', "there is no column mark",
    ),
    "an assigner of visits that have no numbers": (
        '[format]\nvisit_assigner = "PAS"\n', "no column visit",
    ),
    "a ward in two scopes of a hospital": (
        f'{SCOPE}{SCOPE.replace("boras", "boras2")}', "stand twice",
    ),
    "two scopes and no grace": (
        f'{SCOPE}[[scopes]]\nname = "skene"\nhospital = "Skene"\nwards = ["S1"]\n[guards]\nabsence_grace_s = 0\n',
        "would be told as discharged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_cannot_be_meant_is_refused_with_what_to_do(name: str) -> None:
    text, says = CONTRADICTIONS[name]
    with pytest.raises(ValidationError, match=says):
        _settings(text)


def test_whoever_is_missing_from_an_export_by_position_is_gone(tmp_path: Path) -> None:
    text, _, lines, _ = LAYOUTS["nothing but data"]
    ward = Ward(tmp_path, settings=_settings(text, tmp_path))
    for minute, rows in enumerate([lines, lines[1:]]):
        path = _write(ward, f"{minute}.csv", rows)
        os.utime(path, ns=(0, _mtime_ns(NOON + timedelta(minutes=minute))))
        ward.look_until_stable()
    assert ward.observed() == [f"TEST-001 {what}" for what in (What.DESCRIBED, What.DISCHARGED)]
