"""The secret of the patient keys is made once, privately, and never silently replaced by another."""

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bus.memory import MemoryLog
from bus.port import Log, Record
from schemas import topics
from tests.wardbridge.support import configured, in_process
from wardbridge.config.load import load
from wardbridge.config.models import Installation
from wardbridge.logstore.revisions import claim_check
from wardbridge.security.secret import (
    SecretError,
    claimed_keyer_of,
    keyer_of,
    make_first,
    patient_keyer,
)

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)


def now() -> datetime:
    return AT


@pytest.fixture
def log() -> Log:
    return MemoryLog()


def installation(folder: Path, privacy: str = "") -> Installation:
    (folder / "data").mkdir(exist_ok=True, parents=True)
    return load(configured(folder, in_process() + privacy), folder / "data", {})


@pytest.fixture
def found(tmp_path: Path) -> Installation:
    return installation(tmp_path)


@pytest.fixture
def secret(found: Installation) -> Path:
    return found.data / "patient.key"


def test_it_is_made_on_the_first_run_for_the_owner_only_and_kept(
    log: Log, found: Installation, secret: Path
) -> None:
    make_first(log, found)
    first = claimed_keyer_of(log, found, now)
    make_first(log, found)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert claimed_keyer_of(log, found, now).hash("x") == first.hash("x")


def test_two_installations_have_two(tmp_path: Path) -> None:
    keyers = []
    for name in ("a", "b"):
        log, found = MemoryLog(), installation(tmp_path / name)
        make_first(log, found)
        keyers.append(keyer_of(log, found))
    assert keyers[0].hash("x") != keyers[1].hash("x")


def received(log: Log, _: Installation) -> None:
    log.append([Record(topics.RAW, "lab", "id", b"bytes")])


def taken_up(log: Log, found: Installation) -> None:
    make_first(log, found)
    claimed_keyer_of(log, found, now)
    (found.data / "patient.key").unlink()


@pytest.mark.parametrize("history", [received, taken_up])
def test_beside_a_log_that_has_keys_or_was_to_have_some_none_is_made(
    history: Callable[[Log, Installation], None], log: Log, found: Installation, secret: Path
) -> None:
    """Nor on a second machine of one log on Kafka: its patients would be others than the first one's."""
    history(log, found)
    make_first(log, found)
    assert not secret.exists()
    with pytest.raises(SecretError, match=r"patient\.key is missing: restore it"):
        claimed_keyer_of(log, found, now)


def test_a_configured_one_is_never_made(log: Log, tmp_path: Path) -> None:
    found = installation(tmp_path, '\n[privacy]\npatient_key_file = "mine.key"\n')
    make_first(log, found)
    with pytest.raises(SecretError, match=r"mine\.key is missing"):
        keyer_of(log, found)


def emptied(secret: Path) -> None:
    secret.write_bytes(b"")


def blank(secret: Path) -> None:
    secret.write_bytes(b"\n\n")


def cut(secret: Path) -> None:
    secret.write_bytes(secret.read_bytes()[:20])


def one_bit(secret: Path) -> None:
    first, *rest = secret.read_bytes()
    secret.write_bytes(bytes([first ^ 1, *rest]))


def zeroed(secret: Path) -> None:
    """As a file system leaves it after a loss of power."""
    secret.write_bytes(bytes(len(secret.read_bytes())))


def of_another(secret: Path) -> None:
    secret.write_text("0123456789abcdef" * 4, encoding="ascii")


def twice(secret: Path) -> None:
    secret.write_bytes(secret.read_bytes() * 2)


def folder(secret: Path) -> None:
    """As container engines make of a file that is not there to be mounted."""
    secret.unlink()
    secret.mkdir()


DAMAGES = [emptied, blank, cut, one_bit, zeroed, of_another, twice]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_none_and_it_says_what_to_do(
    damage: Callable[[Path], None], log: Log, found: Installation, secret: Path
) -> None:
    make_first(log, found)
    claimed_keyer_of(log, found, now)
    whole = secret.read_bytes()
    damage(secret)
    with pytest.raises(SecretError, match=r"patient\.key.*restore it from the copy") as told:
        claimed_keyer_of(log, found, now)
    assert whole.decode() not in str(told.value)
    secret.write_bytes(whole)
    claimed_keyer_of(log, found, now)


def test_one_that_cannot_be_read_says_who_must_be_let(
    log: Log, found: Installation, secret: Path
) -> None:
    make_first(log, found)
    folder(secret)
    with pytest.raises(SecretError, match="cannot be read: Is a directory; let our user"):
        keyer_of(log, found)


def test_of_two_that_begin_at_once_with_two_secrets_one_is_refused(
    log: Log, tmp_path: Path
) -> None:
    """On Kafka, each on a machine of its own. The log took one first."""
    one, other = (installation(tmp_path / name) for name in ("a", "b"))
    for each in (one, other):
        make_first(log, each)
    claimed_keyer_of(log, one, now)
    claim_check(log, keyer_of(MemoryLog(), other).check, now)
    with pytest.raises(SecretError, match="is not the secret"):
        claimed_keyer_of(log, other, now)
    claimed_keyer_of(log, one, now)


def test_whoever_only_looks_writes_nothing(log: Log, found: Installation) -> None:
    make_first(log, found)
    keyer_of(log, found)
    assert not any(log.ends(topics.REVISIONS).values())


@pytest.mark.parametrize("content", [b"", b"x" * 65])
def test_one_of_a_wrong_length_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.key").write_bytes(content)
    with pytest.raises(SecretError, match="1 to 64 bytes"):
        patient_keyer(tmp_path / "mine.key")
