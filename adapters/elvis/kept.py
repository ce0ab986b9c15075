"""Finds handled exports by content, and hands them back to the feed to be read again.

A replay of an export is done by its feed, which alone knows the snapshots before it: the file is moved
from ``rejected/`` or ``done/`` to ``again/``, in one step, and judged like any other. Moved twice, or
killed between, it is in one place and read once more at most.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from adapters.elvis.archive import Archive, original_name
from adapters.elvis.compare import Context
from adapters.elvis.handle import Prepared, incoming, prepare
from adapters.elvis.inbox import Inbox
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import SnapshotState


class KeptExports:
    """The handled files of one feed."""

    def __init__(self, settings: ElvisSettings) -> None:
        self._archive = Archive(settings.directory)
        self._inbox = Inbox(settings.directory, settings.watching)

    def find(self, sha256: str) -> Path | None:
        """The file with this content, wherever it is kept. Raises OSError."""
        return self._archive.find(sha256)

    def hand_back(self, sha256: str) -> bool:
        """Have the feed read the file again; False where it is kept no more. Raises OSError."""
        path = self.find(sha256)
        if path is None:
            return False
        try:
            self._inbox.hand_back(path)
        except FileNotFoundError:  # somebody else has just done so
            return self.find(sha256) is None
        return True


def foreseen(
    path: Path, sha256: str, at: datetime, state: SnapshotState, context: Context
) -> Prepared:
    """What the feed would make of a kept file, by what it knows; that is left as it is. Raises OSError."""
    name, mtime_ns = original_name(path.name, sha256), path.stat().st_mtime_ns
    file = incoming(path.read_bytes(), name, at, context, mtime_ns=mtime_ns)
    return prepare(state, file, context)
