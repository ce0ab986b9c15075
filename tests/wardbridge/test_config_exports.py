"""Feeds of exports as users write them in TOML, by ``check``: what is right passes, what cannot be meant is
told with file, line and key.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wardbridge.support import command, configured, in_process

SCOPES = """
[[feeds.elvis.scopes]]
name = "boras"
hospital = "SÄS Borås"
wards = ["B1", "B2"]
export_interval_s = 900
[[feeds.elvis.scopes]]
name = "skene"
hospital = "SÄS Skene"
wards = ["S1"]
"""
ONE_SCOPE = SCOPES.partition('[[feeds.elvis.scopes]]\nname = "skene"')[0]

RIGHT = {
    "several scopes": SCOPES,
    "several scopes, and a grace as long as the longest interval": SCOPES
    + "[feeds.elvis.guards]\nabsence_grace_s = 3600\n",
    "one scope and no grace": ONE_SCOPE + "[feeds.elvis.guards]\nabsence_grace_s = 0\n",
    "no trailer": "[feeds.elvis.format]\ntrailer = false\n",
    "the file's own time": '[feeds.elvis.format]\nexported_at = "mtime"\n',
    "a time in the name": '[feeds.elvis.format]\nexported_at = "elvis_%Y%m%d_%H%M.csv"\n',
    "nothing but data": """
[feeds.elvis.format]
header = false
trailer = false
exported_at = "mtime"
ignored_columns = [3]
columns = { ward = 1, patient = 2, mark = 4 }
""" + ONE_SCOPE,
    "column names, and the name tells the scope": SCOPES.replace(
        'name = "boras"', 'name = "boras"\nfiles = "boras_*.csv"'
    ).replace('name = "skene"', 'name = "skene"\nfiles = "skene_*.csv"')
    + '[feeds.elvis.format]\nheader = "names"\nexported_at = "mtime"\n',
    "visit numbers and facilities": """
[feeds.elvis.format]
visit_assigner = "PAS"
columns = { visit = "Vårdtillfälle", facility = "Sjukhus", mark_facility = "Avsett sjukhus" }
""",
    "looking at the interval only": "[feeds.elvis.watching]\npolling = true\n",
}  # fmt: skip


def _checked(folder: Path, added: str) -> tuple[int, str]:
    text = in_process().replace("\n[wards]", f"\n{added}\n[wards]")
    (folder / "data").mkdir()
    done = command("check", "--config", configured(folder, text), "--data", folder / "data")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_meant_passes(name: str, tmp_path: Path) -> None:
    code, said = _checked(tmp_path, RIGHT[name])
    assert code == 0, said


WRONG = {
    "several scopes and no grace": (
        SCOPES + "[feeds.elvis.guards]\nabsence_grace_s = 0\n", "feeds.elvis", "told as discharged",
    ),
    "several scopes and a grace below the longest interval": (
        SCOPES + "[feeds.elvis.guards]\nabsence_grace_s = 900\n", "feeds.elvis", "told as discharged",
    ),
    "no scopes, so perhaps several, and no grace": (
        "[feeds.elvis.guards]\nabsence_grace_s = 0\n", "feeds.elvis", "told as discharged",
    ),
    "no header, and the time is to be in it": (
        "[feeds.elvis.format]\nheader = false\ncolumns = { ward = 1, patient = 2 }\n" + ONE_SCOPE,
        "feeds.elvis.format", "does not say when it was exported",
    ),
    "no header, and columns by name": (
        '[feeds.elvis.format]\nheader = false\nexported_at = "mtime"\n'
        'columns = { ward = "Avd", patient = "Nr" }\n' + ONE_SCOPE,
        "feeds.elvis.format", "give positions from 1",
    ),
    "a header, and columns by position": (
        "[feeds.elvis.format]\ncolumns = { ward = 1, patient = 2 }\n",
        "feeds.elvis.format", "set header = false",
    ),
    "no header rows and no scopes": (
        '[feeds.elvis.format]\nheader = "names"\nexported_at = "mtime"\n', "feeds.elvis", "give the scopes",
    ),
    "a form of times that nothing has": (
        '[feeds.elvis.format]\ntime_forms = ["%d/%m kl %H"]\n',
        "feeds.elvis.format.time_forms", "cannot be read back",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant_is_told_with_its_key(name: str, tmp_path: Path) -> None:
    added, key, says = WRONG[name]
    code, said = _checked(tmp_path, added)
    assert code == 2, said
    assert f"{key}: " in said
    assert says in " ".join(said.split())
    assert "test.toml:" in said
