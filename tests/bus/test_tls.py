"""TLS from files: whatever became of one, the error names that file and says what to do; nobody is asked for a password."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.tls import PemFiles, TlsFileError, client_context, server_context
from tests.support.certificates import Certificate, self_signed

PASSWORD = "of-the-key"  # noqa: S105 - of a key made here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Certificate]:
    folder = tmp_path_factory.mktemp("made")
    return self_signed(folder, "own"), self_signed(folder, "other")


@pytest.fixture
def files(made: tuple[Certificate, Certificate], tmp_path: Path) -> PemFiles:
    """Copies: each test damages its own."""
    for name, source in (("ca.pem", made[1].file), ("c.pem", made[0].file), ("k.pem", made[0].key)):
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    return PemFiles(tmp_path / "ca.pem", tmp_path / "c.pem", tmp_path / "k.pem")


def missing(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(len(file.read_bytes())))


DAMAGES = (missing, a_folder, empty, cut, zeroed)


def test_whole_files_are_used(files: PemFiles) -> None:
    for context in (client_context(files), server_context(files), client_context(PemFiles())):
        assert context.minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize("context", [client_context, server_context])
@pytest.mark.parametrize("name", ["ca.pem", "c.pem", "k.pem"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_what_to_do(
    damage: Callable[[Path], None],
    name: str,
    context: Callable[[PemFiles], object],
    files: PemFiles,
    tmp_path: Path,
) -> None:
    damage(tmp_path / name)
    with pytest.raises(TlsFileError) as told:
        context(files)
    assert str(told.value).startswith(f"{tmp_path / name} ")
    assert "put it there" in str(told.value) or "restore it from a copy" in str(told.value)


def test_a_key_of_another_certificate_is_told(
    made: tuple[Certificate, Certificate], files: PemFiles, tmp_path: Path
) -> None:
    (tmp_path / "k.pem").write_bytes(Path(made[1].key).read_bytes())
    with pytest.raises(TlsFileError, match=r"k\.pem is not the key of .*c\.pem; put two there"):
        server_context(files)


@pytest.mark.parametrize(("password", "is_right"), [(PASSWORD, True), ("another", False), (None, False)])  # fmt: skip
def test_a_key_with_a_password_asks_nobody_for_it(
    password: str | None,
    is_right: bool,  # noqa: FBT001 - a table's column
    files: PemFiles,
    tmp_path: Path,
) -> None:
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(files.key), "-aes256", "-out", str(locked)]
    subprocess.run([*command, "-passout", f"pass:{PASSWORD}"], check=True, capture_output=True)
    given = files._replace(key=locked, password=password)
    if is_right:
        client_context(given)
        return
    with pytest.raises(TlsFileError, match=r"locked\.pem holds no whole private key"):
        client_context(given)


def test_a_key_may_stand_in_the_file_of_its_certificate(files: PemFiles, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(Path(str(files.certificate)).read_bytes())
    with pytest.raises(TlsFileError, match=r"both\.pem holds no whole private key"):
        client_context(PemFiles(certificate=both))
    both.write_bytes(both.read_bytes() + Path(str(files.key)).read_bytes())
    client_context(PemFiles(certificate=both))
