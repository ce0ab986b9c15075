"""Warns of secrets in the configuration file, of secret files that others may read, and of missing files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from stat import S_IROTH, S_IWOTH
from typing import Annotated, Any, Final, TypeGuard, get_args, get_origin

from pydantic import BaseModel, SecretStr

from bus.tls import PemFiles, TlsFileError, server_context
from wardbridge.config.kinds import KINDS
from wardbridge.config.models import PATIENT_KEY_NAME, SEAL_NAME, Settings
from wardbridge.config.parts import HEAD, tables_in
from wardbridge.config.problems import (
    ConfigProblem,
    Place,
    fields_by_key,
    is_model,
    where_paths_start,
)
from wardbridge.config.toml import Table

_REFERENCE: Final = re.compile(r"\$\{(file:)?([^}]+)\}")
_KEY_FILES: Final = frozenset({"key_file", "patient_key_file", "token_file"})
_PEM: Final = ("ca_file", "client_ca_file", "certificate_file", "key_file")
_SECRET_TYPES: Final = frozenset({SecretStr, bytes})


def about_secrets(table: Table, file: Path, data: Path) -> Iterator[ConfigProblem]:
    """What to be warned of; ``table`` as it is written, its references not replaced."""
    written = list(_secrets(table))
    bare = [place for place, text in written if text and not _REFERENCE.search(text)]
    for place in bare:
        text = "the secret stands in the file, and goes wherever it is copied: write ${file:PATH} or ${NAME}"
        yield ConfigProblem(place, text)
    if bare and _is_readable_by_all(file):
        yield ConfigProblem(
            (), f"{file} has secrets and everybody on this machine may read it: chmod o-r"
        )
    for place, path in sorted(_files(table, written, data)):
        if _is_readable_by_all(path):
            yield ConfigProblem(place, f"everybody on this machine may read {path}: chmod o-r")


def missing_files(table: Table, data: Path) -> Iterator[ConfigProblem]:
    """Certificates and keys without which a part would not start. They may be there elsewhere."""
    for place, name in _texts_at(table, (), lambda key: key.endswith("_file")):
        path = data / name
        if not (_REFERENCE.search(name) or _is_file(path)):
            text = f"{path} is not there, or not for us to read: put it there before the start"
            yield ConfigProblem(place, text + where_paths_start(name, data))


def damaged_files(table: Table, data: Path) -> Iterator[ConfigProblem]:
    """Certificates that are there and cannot be used, and keys that are not theirs."""
    for place, within in _tables(table, ()):
        written = [(key, within.get(key)) for key in _PEM]
        given = {key: data / name for key, name in written if _is_there(name, data)}
        if "key_password" in within or ("key_file" in within and "key_file" not in given):
            given.pop("certificate_file", None)  # it cannot be told without the other
        for key, files in (
            ("ca_file", PemFiles(given.get("ca_file"))),
            ("client_ca_file", PemFiles(given.get("client_ca_file"))),
            (
                "certificate_file",
                PemFiles(None, given.get("certificate_file"), given.get("key_file")),
            ),
        ):
            if key in given and (text := _why_unusable(files)):
                yield ConfigProblem((*place, key), text)


def _is_there(name: object, data: Path) -> TypeGuard[str]:
    return isinstance(name, str) and not _REFERENCE.search(name) and _is_file(data / name)


def _why_unusable(files: PemFiles) -> str | None:
    try:
        server_context(files)  # it need not read whom the system trusts
    except TlsFileError as error:
        return str(error)
    return None


def _tables(table: Table, place: Place) -> Iterator[tuple[Place, Table]]:
    yield place, table
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _tables(value, (*place, key))


def open_folders(table: Table, data: Path) -> Iterator[ConfigProblem]:
    """Folders that are read as a source speaks, and into which everybody may put something."""
    for place, name in _texts_at(table, (), lambda key: key == "directory"):
        path = data / name
        if not _REFERENCE.search(name) and _has_mode(path, S_IWOTH):
            text = f"everybody on this machine may put exports into {path}, and say who lies where: chmod o-w"
            yield ConfigProblem(place, text)


def _files(
    table: Table, written: list[tuple[Place, str]], data: Path
) -> Iterator[tuple[Place, Path]]:
    for place, text in written:
        for found in _REFERENCE.finditer(text):
            if found[1]:
                yield place, data / found[2]
    for place, name in _texts_at(table, (), _KEY_FILES.__contains__):
        if not _REFERENCE.search(name):
            yield place, data / name
    yield ("privacy", "patient_key_file"), data / PATIENT_KEY_NAME
    yield ("registrations", "key_file"), data / SEAL_NAME


def _texts_at(
    value: Any,  # noqa: ANN401 - any TOML value
    place: Place,
    is_meant: Callable[[str], bool],
) -> Iterator[tuple[Place, str]]:
    """The texts under keys of some name, wherever they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if is_meant(key) and isinstance(inner, str):
                yield (*place, key), inner
            else:
                yield from _texts_at(inner, (*place, key), is_meant)


def _secrets(table: Table) -> Iterator[tuple[Place, str]]:
    yield from _in_model(Settings, table, ())
    for name, feed in tables_in(table, "feeds").items():
        if kind := KINDS.get(str(feed.get("kind"))):
            own = {key: value for key, value in feed.items() if key not in HEAD}
            yield from _in_model(kind.settings, own, ("feeds", name))


def _in_model(model: type[BaseModel], table: Any, place: Place) -> Iterator[tuple[Place, str]]:  # noqa: ANN401
    fields = fields_by_key(model)
    for key, value in table.items() if isinstance(table, dict) else ():
        if key in fields:
            yield from _in_value(fields[key], value, (*place, key))


def _in_value(kind: Any, value: Any, place: Place) -> Iterator[tuple[Place, str]]:  # noqa: ANN401
    """The texts within a value that its annotation calls secret."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if kind in _SECRET_TYPES:
        if isinstance(value, str):
            yield place, value
    elif is_model(kind):
        yield from _in_model(kind, value, place)
    elif isinstance(get_origin(kind), type) and issubclass(get_origin(kind) or object, Mapping):
        for name, inner in value.items() if isinstance(value, dict) else ():
            yield from _in_value(get_args(kind)[1], inner, (*place, name))
    elif get_origin(kind) is tuple:
        for number, inner in enumerate(value if isinstance(value, list) else ()):
            yield from _in_value(get_args(kind)[0], inner, (*place, number))
    else:
        for part in get_args(kind):  # of a union
            yield from _in_value(part, value, place)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_readable_by_all(path: Path) -> bool:
    return _has_mode(path, S_IROTH)


def _has_mode(path: Path, mode: int) -> bool:
    try:
        return bool(path.stat().st_mode & mode)
    except (OSError, ValueError):
        return False
