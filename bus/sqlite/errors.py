"""Maps SQLite's errors to the port's: the class says who must act, the message what to do.

Codes: SQLite documentation, "Result and Error Codes". ENOSPC arrives as SQLITE_FULL, a quota or a
limit on the file's size as SQLITE_IOERR_WRITE.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bus.port import LogError, LogFullError

_NO_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY: Final = 0xFF  # an extended result code holds its primary code in the lowest byte


def as_log_error(error: Exception) -> LogError:
    """The error to raise or to tell instead."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # not from the file: a value that SQLite cannot take, a closed connection
        return LogError(f"the log could not do this: {type(error).__name__}: {error}")
    if code in _NO_ROOM:
        return LogFullError(f"no room for the log ({error}): free space on its disk, or its quota")
    if code & _PRIMARY in _DAMAGED:
        return LogError(
            f"the log's file is damaged ({error}): stop, keep the file for a look, "
            "and start from the last copy"
        )
    return LogError(f"the log's file cannot be used ({error})")


def concerns_the_file(error: Exception) -> bool:
    """Whether the file or its disk is at fault, rather than one caller's values."""
    return getattr(error, "sqlite_errorcode", None) is not None and not isinstance(
        error, sqlite3.DataError | sqlite3.IntegrityError
    )


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a file is opened is a LogError that names it."""
    try:
        yield
    except LogError as error:
        raise type(error)(f"{path}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise LogError(f"{path}: {as_log_error(error)}") from error
