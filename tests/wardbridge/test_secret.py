"""The secret of the patient keys is made once, privately, and never silently replaced."""

import stat
from pathlib import Path

import pytest

from wardbridge.secret import SecretError, patient_keyer


def test_it_is_made_on_the_first_run_for_the_owner_only_and_kept(tmp_path: Path) -> None:
    first = patient_keyer(tmp_path, None, may_create=True)
    mode = stat.S_IMODE((tmp_path / "patient.key").stat().st_mode)
    again = patient_keyer(tmp_path, None, may_create=True)
    assert mode == 0o600
    assert first.hash("x") == again.hash("x")


def test_two_installations_have_two(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = patient_keyer(tmp_path / "a", None, may_create=True)
    other = patient_keyer(tmp_path / "b", None, may_create=True)
    assert one.hash("x") != other.hash("x")


def test_beside_a_log_a_missing_one_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="restore it"):
        patient_keyer(tmp_path, None, may_create=False)


def test_a_configured_one_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="is missing"):
        patient_keyer(tmp_path, Path("mine.key"), may_create=True)


@pytest.mark.parametrize("content", [b"", b"x" * 65])
def test_one_of_a_wrong_length_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.key").write_bytes(content)
    with pytest.raises(SecretError, match="1 to 64 bytes"):
        patient_keyer(tmp_path, Path("mine.key"), may_create=True)
