"""Moves handled files out of the inbox; retries those that could not be moved.

Invariant: a file is moved only while it is the one that was read. What a writer has put into its place
meanwhile is read as any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from adapters.common.outcome import InputOutcome, Verdict
from adapters.elvis.archive import Archive
from adapters.elvis.figures import ExportFigures
from adapters.elvis.inbox import Inbox, Signature


class ToMove(NamedTuple):
    """A handled file, as far as moving it needs."""

    path: Path
    signature: Signature
    sha256: str
    outcome: InputOutcome


class Mover:
    """Moves the files of one inbox, and counts."""

    def __init__(self, inbox: Inbox, archive: Archive, figures: ExportFigures) -> None:
        self._inbox = inbox
        self._archive = archive
        self._figures = figures
        self._unmoved: dict[Path, ToMove] = {}

    def __contains__(self, path: Path) -> bool:
        """Whether the file is handled and only waits to be moved."""
        return path in self._unmoved

    def trouble(self) -> str | None:
        """What does not work now."""
        return "exports stay where they are: they cannot be moved" if self._unmoved else None

    def move_again(self) -> None:
        """Try those that could not be moved."""
        for handled in list(self._unmoved.values()):
            self.move(handled)

    def move(self, handled: ToMove) -> None:
        """To ``done/`` or ``rejected/``, now or later."""
        path = handled.path
        self._unmoved.pop(path, None)
        if not self._inbox.is_unchanged(path, handled.signature):
            self._figures.files_replaced += 1
            return
        try:
            self._put_away(handled)
        except OSError:
            self._figures.moves_failed += 1
            self._unmoved[path] = handled
        else:
            self._figures.files_waiting = max(0, self._figures.files_waiting - 1)

    def _put_away(self, handled: ToMove) -> None:
        if handled.outcome.verdict is Verdict.REVIEW:
            self._archive.reject(handled.path, handled.sha256, handled.outcome)
        else:
            self._archive.finish(handled.path, handled.sha256)
        self._inbox.forget_marker(handled.path)
