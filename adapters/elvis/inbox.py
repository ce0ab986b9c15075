"""The directory where exports appear, and its subfolders done, rejected and approved.

A file is complete when its size and time have not changed for a while, or when its marker file is
there. Files are moved, never changed: to ``done/`` or ``rejected/`` under the first letters of
their content hash, a rejected one with ``.reason.json`` beside it. A person who has looked at a
rejected file moves it to ``approved/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from adapters.common.outcome import Outcome
from adapters.elvis.settings import Watching

DONE: Final = "done"
REJECTED: Final = "rejected"
APPROVED: Final = "approved"
HASH_LETTERS: Final = 12


class Signature(NamedTuple):
    """What tells that a file has changed."""

    size: int
    mtime_ns: int


class StableFiles:
    """Which files have not changed for long enough. Fed with observations; reads no clock."""

    def __init__(self, stable_s: float) -> None:
        self._stable_s = stable_s
        self._since: dict[Path, tuple[Signature, float]] = {}

    def observe(self, seen: Mapping[Path, Signature], now_s: float) -> list[Path]:
        """The stable ones among the files seen now: unchanged since an earlier observation."""
        stable = [
            path for path, signature in seen.items() if self._is_stable(path, signature, now_s)
        ]
        self._since = {
            path: self._since[path] if self._is_same(path, signature) else (signature, now_s)
            for path, signature in seen.items()
        }
        return stable

    def _is_same(self, path: Path, signature: Signature) -> bool:
        return path in self._since and self._since[path][0] == signature

    def _is_stable(self, path: Path, signature: Signature, now_s: float) -> bool:
        return self._is_same(path, signature) and now_s - self._since[path][1] >= self._stable_s


class Inbox:
    """One feed's directory."""

    def __init__(self, directory: Path, watching: Watching) -> None:
        self.directory = directory
        self.approved = directory / APPROVED
        self._watching = watching
        self._stable = StableFiles(watching.stable_s)

    def prepare(self) -> None:
        """Make the directory and its subfolders."""
        for name in (DONE, REJECTED, APPROVED):
            (self.directory / name).mkdir(parents=True, exist_ok=True)

    def complete(self, now_s: float) -> list[Path]:
        """The complete files, oldest first; ``now_s`` is of a clock that never goes back."""
        seen = {path: found for path in self.waiting() if (found := _signature(path))}
        if self._watching.done_marker:
            complete = [path for path in seen if self._is_marked(path)]
        else:
            complete = self._stable.observe(seen, now_s)
        return sorted(complete, key=lambda path: (seen[path].mtime_ns, path))

    def waiting(self) -> list[Path]:
        """Every export file in the directory and in ``approved/``, complete or not."""
        return sorted(path for path in self._export_files() if path.is_file())

    def is_approved(self, path: Path) -> bool:
        """Whether a person put the file into ``approved/``."""
        return path.parent == self.approved

    def finish(self, path: Path, sha256: str) -> Path:
        """Move an accepted file to ``done/``; its new path."""
        self._reason(path, sha256).unlink(missing_ok=True)
        return self._move(path, DONE, sha256)

    def reject(self, path: Path, sha256: str, outcome: Outcome) -> Path:
        """Move a refused file to ``rejected/``, its reason beside it; its new path."""
        told = {
            "file": path.name,
            "sha256": sha256,
            "reason": outcome.reason,
            "detail": outcome.detail,
            "where": outcome.where,
        }
        text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
        self._reason(path, sha256).write_text(text, encoding="utf-8")
        return self._move(path, REJECTED, sha256)

    def _export_files(self) -> Iterator[Path]:
        for folder in (self.directory, self.approved):
            for path in folder.glob(self._watching.pattern):
                if not path.name.startswith("."):
                    yield path

    def _is_marked(self, path: Path) -> bool:
        return self.is_approved(path) or self._marker(path).exists()

    def _marker(self, path: Path) -> Path:
        return path.with_name(path.name + self._watching.done_marker)

    def _reason(self, path: Path, sha256: str) -> Path:
        return self.directory / REJECTED / f"{_kept_name(path, sha256)}.reason.json"

    def _move(self, path: Path, folder: str, sha256: str) -> Path:
        moved = path.replace(self.directory / folder / _kept_name(path, sha256))
        if self._watching.done_marker:
            self._marker(path).unlink(missing_ok=True)
        return moved


def _kept_name(path: Path, sha256: str) -> str:
    prefix = sha256[:HASH_LETTERS]
    return path.name if path.name.startswith(f"{prefix}-") else f"{prefix}-{path.name}"


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Signature(found.st_size, found.st_mtime_ns)
