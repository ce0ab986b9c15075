"""The audit spool: accesses by commands on this machine, on their way into topic ``audit``.

A log in one file has one process that writes it, and reading goes on beside it or without it. So whoever
reads leaves a note, one file for each entry, in folder ``audit`` of the data folder: whole and durable
under its name, or not there. The service takes it into the log and then removes the file; ended between
the two it takes it twice, which readers of the audit see as one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from bus import durable
from bus.port import Log, LogError, Record
from schemas import topics
from schemas.audit import AuditEntry
from wardbridge.logstore.log import is_one_file
from wardbridge.parts.base import describe
from wardbridge.parts.repeated import Repeated

FOLDER: Final = "audit"
COLLECT_EVERY_S: Final = 2.0
_SUFFIX: Final = ".json"
_UNREADABLE: Final = ".unreadable"
_FOLDER_MODE = 0o700


def note(log: Log, data: Path, entry: AuditEntry) -> None:
    """Durable when it returns. Raises LogError or OSError, and then nothing may be shown."""
    if is_one_file(log):
        _leave(data, entry)
    else:
        log.append([record_of(entry)])


def record_of(entry: AuditEntry) -> Record:
    """An entry as it stands in the log."""
    return Record(topics.AUDIT, entry.ward, entry.ward, entry.model_dump_json().encode())


def left(data: Path) -> list[AuditEntry]:
    """What no service has taken in yet, oldest first. Raises OSError."""
    return [entry for _, entry in _notes(data) if entry is not None]


class SpoolCollector(Repeated):
    """Takes notes into the log."""

    def __init__(self, log: Log, data: Path, interval_s: float = COLLECT_EVERY_S) -> None:
        super().__init__("audit-notes", self._collect, interval_s)
        self._log = log
        self._data = data
        self._trouble: str | None = None

    def blocking(self) -> str | None:
        """The log or the folder refuses."""
        return self._trouble

    def _collect(self) -> None:
        try:
            for path, entry in _notes(self._data):
                self._take(path, entry)
        except (LogError, OSError) as error:
            self._trouble = describe(error)
        else:
            self._trouble = None

    def _take(self, path: Path, entry: AuditEntry | None) -> None:
        if entry is None:
            path.rename(path.with_suffix(_UNREADABLE))
            structlog.get_logger().error("audit_note_unreadable")
        else:
            self._log.append([record_of(entry)])
            path.unlink()


def _leave(data: Path, entry: AuditEntry) -> None:
    """For the service's user, who could not take in what root has left."""
    folder, owner = data / FOLDER, data.stat()
    if not folder.is_dir():
        folder.mkdir(_FOLDER_MODE)
        durable.give(folder, owner)
        durable.flush(data)
    name = f"{entry.at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(8)}{_SUFFIX}"
    durable.write(folder / name, entry.model_dump_json().encode(), owner)


def _notes(data: Path) -> Iterator[tuple[Path, AuditEntry | None]]:
    """Each file, and what it says; None of one that is none of ours."""
    for path in sorted((data / FOLDER).glob(f"*{_SUFFIX}")):
        try:
            yield path, AuditEntry.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            continue  # the service has just taken it
        except ValidationError:
            yield path, None
