"""Commands that read files name them whatever the bytes of their names are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.wardbridge.support import EXPORT, LAB, cli

NAME = "SÄS Borås.csv".encode("latin-1")
SHOWN = r"S\xc4S Bor\xe5s.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / os.fsdecode(b"exporter \xe5")
    made.mkdir()
    (made / os.fsdecode(NAME)).write_bytes(EXPORT.encode("windows-1252"))
    return made


def test_normalise_shows_the_name_escaped(folder: Path) -> None:
    for path in (folder, folder / os.fsdecode(NAME)):
        done = cli("normalise", "--config", LAB, "--feed", "elvis", path)
        assert (done.returncode, done.stderr) == (0, "")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {Path(line["input"]["path"]).name for line in lines} == {SHOWN}


def test_a_file_that_is_not_there_is_named_too(folder: Path) -> None:
    done = cli("normalise", "--config", LAB, "--feed", "elvis", folder / os.fsdecode(b"\xf6.csv"))
    assert done.returncode == 2
    assert r"\xf6.csv: there is no such file" in done.stderr


def test_the_test_of_a_mapping_names_its_samples(folder: Path) -> None:
    done = cli("test", "--config", LAB, "--feed", "elvis", folder)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{SHOWN}: nothing is expected yet" in done.stdout
    (folder / os.fsdecode(NAME)).rename(folder / os.fsdecode(b"\xe4.csv"))
    assert cli("test", "--config", LAB, "--feed", "elvis", "--update", folder).returncode == 0
