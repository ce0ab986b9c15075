"""One set of options does for every command (the ``R`` of the runbook), and files are looked for where ``--data`` says."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.packaging.project import ROOT
from tests.wardbridge.support import command, configured, lab_text

R = ("--port-offset", "10000", "--token-file", "token")
COMMANDS = {
    "check": (),
    "check-message": ("m.hl7", "--feed", "hl7"),
    "normalise": ("m.hl7", "--feed", "hl7"),
    "test": ("samples", "--feed", "hl7"),
    "audit list": (),
    "deliveries list": (),
    "deliveries show": ("portal", "1"),
    "deliveries resend": ("portal", "1"),
    "deliveries skip": ("portal", "1", "--reason", "x"),
    "deliveries pause": ("portal", "--reason", "x"),
    "deliveries resume": ("portal",),
    "deliveries test": ("portal",),
    "review list": (),
    "review show": ("1",),
    "review replay": ("1",),
    "review resolve": ("1", "--because", "x"),
    "review discard": ("1", "--because", "x"),
}
FILES = {
    "register": ("[wards]\nopen = true", '[wards]\nregister = "there-is-none"'),
    "profile": ("[feeds.hl7]\n", '[feeds.hl7]\nprofile_file = "there-is-none"\n'),
    "secret": ("[http]\n", '[http.access.tokens.t]\nsecret = "${file:there-is-none}"\n[http]\n'),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_what_finds_the_service(name: str, tmp_path: Path) -> None:
    where = ("--config", tmp_path / "c.toml", "--data", tmp_path)
    done = command(*name.split(), *COMMANDS[name], *where, *R, "--help")
    assert done.returncode == 0, done.stderr


def test_a_configuration_is_checked_with_the_options_of_the_runbook(tmp_path: Path) -> None:
    config = configured(tmp_path, lab_text())
    done = command("check", "--config", config, "--data", tmp_path, *R)
    assert done.returncode == 0, done.stderr
    assert "right; " in done.stdout


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("named", ["", "data"])
def test_a_relative_file_that_is_not_found_names_the_folder_and_the_option(
    kind: str, named: str, tmp_path: Path
) -> None:
    old, new = FILES[kind]
    assert old in lab_text()
    config = configured(tmp_path, lab_text().replace(old, new, 1))
    (tmp_path / "data").mkdir()
    data = ("--data", named) if named else ()
    for name in ("check", "normalise"):
        more = COMMANDS[name]
        done = command(name, *more, "--config", config, *data, cwd=tmp_path)
        assert done.returncode == 2
        assert "--data" in done.stderr
        assert f"here {(tmp_path / named).resolve()}" in done.stderr


def test_of_an_absolute_file_no_folder_is_named(tmp_path: Path) -> None:
    text = lab_text().replace("open = true", f'register = "{tmp_path}/there-is-none"')
    done = command("check", "--config", configured(tmp_path, text))
    assert done.returncode == 2
    assert "--data" not in done.stderr


def test_the_row_of_the_page_fits_the_columns_that_it_shows() -> None:
    page = (ROOT / "docs" / "unknown-code.md").read_text(encoding="utf-8")
    header = next(line for line in page.splitlines() if line.startswith("id;name;"))
    (row,) = {line for line in page.splitlines() if line.startswith("KIR;")}
    assert header.count(";") == row.count(";")


@pytest.mark.parametrize("page", ["integration.md", "reference/cli.md"])
def test_pages_name_the_folder_beside_a_configuration_of_ones_own(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    shown = [
        line for line in text.splitlines() if "wardbridge " in line and "--config FILE" in line
    ]
    offline = [
        line for line in shown if shlex.split(line.strip("#` ").replace("`", ""))[1] in COMMANDS
    ]
    assert offline
    assert [line for line in offline if "--data" not in line] == []
