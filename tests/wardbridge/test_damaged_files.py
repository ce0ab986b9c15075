"""A file that the configuration is made of, damaged: told with the file, the line where there is one, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wardbridge.support import configured, lab_text
from wardbridge.config.load import load
from wardbridge.config.problems import ConfigError, ConfigProblem

PROFILE = 'visit = "PV1-19"\n'


def missing(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def in_latin_1(file: Path) -> None:
    file.write_bytes(file.read_bytes() + "\n# å\n".encode("latin-1"))


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(100))


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: content.rindex(b'"')])


def merged(file: Path) -> None:
    file.write_bytes(b"<<<<<<< HEAD\n" + file.read_bytes())


DAMAGES = [missing, a_folder, in_latin_1, zeroed, cut, merged]
OF_A_SECRET = [missing, a_folder, in_latin_1]  # whatever else stands in it is one


def problems(folder: Path, name: str, damage: Callable[[Path], None]) -> tuple[ConfigProblem, ...]:
    text = lab_text().replace("[feeds.hl7]", '[feeds.hl7]\nprofile_file = "profile.toml"')
    assert "profile_file" in text
    text += '\n[http.access.tokens.screen]\nsecret = "${file:screen.token}"\nmay = ["read"]\n'
    config = configured(folder, text)
    (folder / "profile.toml").write_text(PROFILE, encoding="utf-8")
    (folder / "screen.token").write_text("0123456789abcdef", encoding="utf-8")
    load(config, folder, {})
    damage(folder / name)
    with pytest.raises(ConfigError) as told:
        load(config, folder, {})
    return told.value.problems


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["test.toml", "profile.toml"])
def test_a_damaged_table_is_told_with_its_line_and_what_to_do(
    name: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    found = [each for each in problems(tmp_path, name, damage) if str(tmp_path / name) in str(each)]
    assert found
    assert all(each.suggestion for each in found), found
    assert all(each.line for each in found if damage not in {missing, a_folder}), found


@pytest.mark.parametrize("damage", OF_A_SECRET)
def test_a_damaged_secret_is_told_with_its_key_and_what_to_do_and_is_not_quoted(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    (first, *_) = problems(tmp_path, "screen.token", damage)
    assert first.key == "http.access.tokens.screen.secret"
    assert (first.file, bool(first.line)) == (tmp_path / "test.toml", True)
    assert str(tmp_path / "screen.token") in first.text
    assert first.suggestion
    assert "0123456789abcdef" not in str(first)
