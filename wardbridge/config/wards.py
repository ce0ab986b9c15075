"""The ward register's file: CSV, UTF-8, semicolon or comma, one row for each ward.

Columns: ``id``, ``name``, ``hospital``, optionally ``care_type`` and ``places`` (how many are
available), and any number of ``alias:<source>`` with the codes that this source uses for the ward
(``CODE`` or ``CODE@FACILITY``) and of ``facility:<source>`` with the names by which this source calls
the ward's hospital. Several stand in one cell, separated by blanks, or by ``|`` where one of them has
blanks. Every error is reported with its line.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schemas.ward import RegisterFaultsError, Ward, WardRegister
from wardbridge.config.problems import ConfigProblem, did_you_mean, problems_of

REQUIRED: Final = ("id", "name", "hospital")
OPTIONAL: Final = ("care_type", "places")
ALIAS: Final = "alias:"
FACILITY: Final = "facility:"
Said = dict[str, str | Mapping[str, tuple[str, ...]]]
"""What a row says of a ward, by the model's members; of ``aliases`` and ``facilities`` by source."""

_PLAIN: Final = frozenset((*REQUIRED, *OPTIONAL))
MAX_CHARS: Final = 200
"""Of an id, a name or a code, as of any text that leaves an adapter; a column's name is shown so far."""


class RegisterError(Exception):
    """The register cannot be used; ``problems`` has every reason.

    ``wards`` and ``hospitals`` are the names in it, as far as they can be read: what the configuration says
    of them can be compared all the same. None where no row can be read.
    """

    def __init__(
        self,
        problems: Iterable[ConfigProblem],
        wards: Collection[str] | None = None,
        hospitals: Collection[str] | None = None,
    ) -> None:
        self.problems = tuple(problems)
        self.wards = wards
        self.hospitals = hospitals
        super().__init__("\n".join(str(problem) for problem in self.problems))


def read_register(path: Path, hint: str = "") -> WardRegister:
    """The closed register in a file; ``hint`` follows what is said where it cannot be read. Raises RegisterError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        text = f"cannot be read: {error.strerror}; put it there, or restore it from a copy{hint}"
        raise RegisterError([ConfigProblem((), text, path)]) from None
    return register_in(content, path)


def sources_in(path: Path) -> list[tuple[str, str]]:
    """Each column of a source: its kind, ``alias:`` or ``facility:``, and the source; none of an unreadable file."""
    try:
        columns, _ = _cells(path.read_bytes(), path)
    except (OSError, RegisterError):
        return []
    kinds = ((kind, column) for column in columns for kind in (ALIAS, FACILITY))
    return [
        (kind, column.removeprefix(kind).strip()[:MAX_CHARS])
        for kind, column in kinds
        if column.startswith(kind)
    ]


def register_in(content: bytes, path: Path) -> WardRegister:
    """The closed register that a file holds; ``path`` stands in the reasons. Raises RegisterError.

    What is wrong is left out while further mistakes are looked for.
    """
    problems: list[ConfigProblem] = []
    rows = _rows(content, path, problems)
    wards = [(line, ward) for line, row in rows if (ward := _ward(path, line, row, problems))]
    if not (rows or problems):
        problems.append(ConfigProblem((), "no ward is listed", path))
    try:
        register = WardRegister(ward for _, ward in wards)
    except RegisterFaultsError as error:
        lines = {ward.id: line for line, ward in wards}  # of one listed twice, the second
        problems += [
            ConfigProblem((), fault.text, path, lines[fault.ward]) for fault in error.faults
        ]
    if problems:
        names = [{row.get(key, "").strip() for _, row in rows} for key in ("id", "hospital")]
        raise RegisterError(problems, *(names if rows else ()))
    return register


def _rows(
    content: bytes, path: Path, problems: list[ConfigProblem]
) -> list[tuple[int, dict[str, str]]]:
    """The rows by column; without those of which nobody can tell which cell is which."""
    columns, rows = _cells(content, path)
    problems += _column_problems(path, columns)
    if not set(REQUIRED) <= set(columns):
        return []
    problems += [_too_wide(path, line) for line, row in rows if len(row) > len(columns)]
    known = {column for column, times in Counter(columns).items() if times == 1}
    return [
        (line, {name: cell for name, cell in zip(columns, row, strict=False) if name in known})
        for line, row in rows
        if len(row) <= len(columns)
    ]


def _cells(content: bytes, path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns' names, and each row that says something with its line."""
    text = _text(content, path)
    header = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=";" if ";" in header else ",")
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        return columns, [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        reason = f"it is no CSV ({error}); correct this line, or close a quotation mark that is left open before it"
        raise RegisterError([ConfigProblem((), reason, path, reader.line_num)]) from None


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = "it is not UTF-8; export it as UTF-8, or restore it from a copy"
        raise RegisterError([ConfigProblem((), text, path, line)]) from None


def _too_wide(path: Path, line: int) -> ConfigProblem:
    text = "more cells than columns: a separator too many shifts every code after it"
    return ConfigProblem((), text, path, line)


def _column_problems(path: Path, columns: list[str]) -> Iterator[ConfigProblem]:
    for column in REQUIRED:
        if column not in columns:
            yield ConfigProblem((column,), "this column is required", path, 1)
    for column in dict.fromkeys(columns):
        if column not in {*REQUIRED, *OPTIONAL} and not column.startswith((ALIAS, FACILITY)):
            known = [*REQUIRED, *OPTIONAL, ALIAS, FACILITY]
            text = f"unknown column; {did_you_mean(column[:MAX_CHARS], known)}"
            yield ConfigProblem((column[:MAX_CHARS],), text, path, 1)
    for column, times in Counter(columns).items():
        if times > 1:
            yield ConfigProblem((column[:MAX_CHARS],), "this column stands there twice", path, 1)


def _ward(
    path: Path, line: int, row: Mapping[str, str], problems: list[ConfigProblem]
) -> Ward | None:
    """The ward of a row; where a cell is wrong, which is told, the ward without that cell.

    None where that is its id or hospital: nothing else can be compared then.
    """
    cells = {column: cell.strip() for column, cell in row.items() if cell.strip()}
    said: Said = {column: cell for column, cell in cells.items() if column in _PLAIN}
    said |= {"aliases": _by_source(ALIAS, cells), "facilities": _by_source(FACILITY, cells)}
    wrong = dict((*_misfits(said), *_too_long(said)))
    problems += [ConfigProblem((column,), text, path, line) for column, text in wrong.items()]
    if wrong.keys() & {"id", "hospital"}:
        return None
    right = {column: value for column, value in said.items() if column not in wrong}
    return Ward.model_validate({"name": "", **right})


def _misfits(said: Said) -> Iterator[tuple[str, str]]:
    try:
        Ward.model_validate(said)
    except ValidationError as error:
        yield from ((str(each.place[0]), each.text) for each in problems_of(error, Ward))


def _too_long(said: Said) -> Iterator[tuple[str, str]]:
    """By its column, or kind of column."""
    text = f"more than {MAX_CHARS} characters; write a shorter one, or close a quotation mark that is left open"
    for column, value in said.items():
        by_source = value if isinstance(value, Mapping) else {"": (value,)}
        if any(
            len(each) > MAX_CHARS for named in by_source.items() for each in (named[0], *named[1])
        ):
            yield column, text


def _by_source(column: str, cells: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        name.removeprefix(column).strip(): _codes(cell)
        for name, cell in cells.items()
        if name.startswith(column)
    }


def _codes(cell: str) -> tuple[str, ...]:
    codes = cell.split("|") if "|" in cell else cell.split()
    return tuple(code.strip() for code in codes if code.strip())
