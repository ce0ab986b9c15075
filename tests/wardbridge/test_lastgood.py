"""A start with a damaged ward register: the last good one is used where all else agrees with it, and it is told."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wardbridge.support import command, configured, in_process
from wardbridge.config.lastgood import keep, kept_of, load_to_run, lost, trouble_of
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.config.problems import ConfigError

REGISTER = "id;name;hospital;alias:elvis\nAKUT;Akuten;Söder;AKM\nMEDICIN;Medicin;Söder;MED M2\n"
WITHOUT = "id;name;hospital;alias:elvis\nAKUT;Akuten;Söder;AKM\nMEDICIN;Medicin;Söder;M2\n"
WITH = f"{REGISTER}NYA;Nya;Söder;NYA\n"


class Folder:
    """One installation's files; a start takes up its configuration as ``run`` does."""

    def __init__(self, folder: Path) -> None:
        self.register = folder / "wards.csv"
        self.kept = kept_of(folder, self.register)
        self._folder = folder
        self.write(REGISTER)
        self.say("")

    def say(self, more: str, *replaced: tuple[str, str]) -> None:
        text = in_process().replace("open = true", 'register = "wards.csv"') + more
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        self.config = configured(self._folder, text)

    def write(self, text: str) -> None:
        self.register.write_bytes(text.encode())

    def start(self) -> Installation:
        found = load_to_run(self.config, self._folder, {})
        keep(found)
        return found

    def check(self) -> Installation:
        return load(self.config, self._folder, {})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def missing(register: Path) -> None:
    register.unlink()


def a_folder(register: Path) -> None:
    """As container engines make of a file that is not there to be mounted."""
    register.unlink()
    register.mkdir()


def empty(register: Path) -> None:
    register.write_bytes(b"")


def header_only(register: Path) -> None:
    register.write_bytes(register.read_bytes().partition(b"\n")[0])


def without_header(register: Path) -> None:
    register.write_bytes(register.read_bytes().partition(b"\n")[2])


def amid_a_letter(register: Path) -> None:
    content = register.read_bytes()
    register.write_bytes(content[: content.rindex("ö".encode()) + 1])


def amid_a_row(register: Path) -> None:
    content = register.read_bytes()
    register.write_bytes(content[: content.rindex(b"Medicin")])


def zeroed(register: Path) -> None:
    """As a file system leaves it after a loss of power."""
    register.write_bytes(bytes(len(register.read_bytes())))


def in_latin_1(register: Path) -> None:
    register.write_bytes(register.read_text("utf-8").encode("latin-1"))


def in_utf_16(register: Path) -> None:
    register.write_bytes(register.read_text("utf-8").encode("utf-16"))


def twice(register: Path) -> None:
    register.write_bytes(register.read_bytes() * 2)


def merged(register: Path) -> None:
    """As a version control system leaves what two have changed."""
    register.write_bytes(b"<<<<<<< HEAD\n" + register.read_bytes())


def with_a_wrong_separator(register: Path) -> None:
    register.write_bytes(register.read_bytes().replace(b";", b"\t"))


def with_an_open_quote(register: Path) -> None:
    content = register.read_bytes().replace(b"Medicin;", b'"Medicin;', 1)
    register.write_bytes(content + b"x" * 140_000 + b"\n")


def with_a_code_twice(register: Path) -> None:
    register.write_bytes(register.read_bytes().replace(b"M2", b"AKM"))


def of_an_unknown_source(register: Path) -> None:
    register.write_bytes(register.read_bytes().replace(b"alias:elvis", b"alias:elviz"))


DAMAGES = [
    missing, a_folder, empty, header_only, without_header, amid_a_letter, amid_a_row, zeroed,
    in_latin_1, in_utf_16, twice, merged, with_a_wrong_separator, with_an_open_quote,
    with_a_code_twice, of_an_unknown_source,
]  # fmt: skip
Damage = Callable[[Path], None]


@pytest.mark.parametrize("damage", DAMAGES)
def test_with_a_damaged_register_it_begins_with_the_last_good_one_and_says_so(
    damage: Damage, folder: Folder
) -> None:
    last = folder.start()
    damage(folder.register)
    found = folder.start()
    assert found.register.wards == last.register.wards
    assert all(each.file == folder.register for each in found.damage)
    assert str(folder.register) in (trouble_of(found) or "")
    assert folder.kept.read_text("utf-8") == REGISTER, "the damaged one is not kept"
    with pytest.raises(ConfigError, match=r"wards\.csv"):
        folder.check()


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_an_earlier_start_it_is_refused(damage: Damage, folder: Folder) -> None:
    damage(folder.register)
    with pytest.raises(ConfigError) as told:
        folder.start()
    assert {each.file for each in told.value.problems} == {folder.register}
    assert not folder.kept.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_kept_may_be_damaged_too(damage: Damage, folder: Folder) -> None:
    folder.start()
    damage(folder.kept)
    missing(folder.register)
    with pytest.raises(ConfigError, match=r"wards\.csv: cannot be read"):
        folder.start()


def test_a_mended_register_is_in_force_with_the_next_start(folder: Folder) -> None:
    folder.start()
    empty(folder.register)
    folder.start()
    folder.write(WITH)
    found = folder.start()
    assert (found.damage, "NYA" in found.register.wards) == ((), True)
    assert trouble_of(found) is None
    assert folder.kept.read_text("utf-8") == WITH


def test_it_is_not_used_where_the_configuration_does_not_agree_with_it(folder: Folder) -> None:
    """The new ward is in the new register only, which cannot be read: nobody knows what is meant."""
    folder.start()
    folder.say("", ("[authority.lab.wards]", '[authority.lab.wards]\nNYA = "elvis"'))
    empty(folder.register)
    with pytest.raises(ConfigError) as told:
        folder.start()
    keys = [each.key for each in told.value.problems]
    assert "authority.lab.wards.NYA" in keys
    assert any(each.file == folder.register for each in told.value.problems)


def test_it_excuses_nothing_else(folder: Folder) -> None:
    folder.start()
    empty(folder.register)
    folder.say("\n[router]\nstaled_after_s = 3\n")
    with pytest.raises(ConfigError) as told:
        folder.start()
    assert {each.file for each in told.value.problems} == {folder.register, folder.config}


def test_an_open_register_keeps_nothing(folder: Folder) -> None:
    folder.say("", ('register = "wards.csv"', "open = true"))
    assert folder.start().damage == ()
    assert not folder.kept.exists()


def test_one_that_did_not_change_is_not_written_again(folder: Folder) -> None:
    folder.start()
    written = folder.kept.stat()
    folder.start()
    assert folder.kept.stat().st_ino == written.st_ino


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REGISTER, []),
        (WITH, []),
        (WITHOUT, ["1 codes of the last start are gone (elvis: MED)"]),
        (
            REGISTER.rpartition("MEDICIN")[0],
            [
                "1 wards of the last start are gone (MEDICIN)",
                "2 codes of the last start are gone (elvis: M2, elvis: MED)",
            ],
        ),
    ],
)
def test_what_is_gone_since_the_last_start_is_told(
    text: str, expected: list[str], folder: Folder
) -> None:
    """A file that was cut between two rows is a register like any other."""
    folder.start()
    folder.write(text)
    found = folder.check()
    assert [each.reason for each in lost(found)] == expected
    assert {each.suggestion for each in lost(found)} <= {
        "restore the file from a copy if that was not meant"
    }
    data = str(folder.register.parent)
    said = command("check", "--config", folder.config, "--data", data, "--json")
    reasons = [each["reason"] for each in json.loads(said.stdout)["warnings"]]
    assert [each for each in reasons if "of the last start" in each] == expected
