"""The inbox directory: which files wait, and which are complete.

A file is complete when its size and time have not changed for a while, or when its marker file is
there. A person who has looked at a rejected file moves it to ``approved/``. What is kept and is to be
read again is handed back through ``again/``: whole, under its kept name, so that it takes no other
file's place and needs no marker.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from adapters.common.filename import matches
from adapters.elvis.archive import name_it_came_under
from adapters.elvis.settings import Watching

APPROVED: Final = "approved"
AGAIN: Final = "again"


class Signature(NamedTuple):
    """What tells that a file has changed."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Signature:
        """From what the file system says of it."""
        return cls(found.st_size, found.st_mtime_ns)


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
        self.again = directory / AGAIN
        self._watching = watching
        self._stable = StableFiles(watching.stable_s)

    def prepare(self) -> None:
        """Make the directory, ``approved/`` and ``again/`` in it. Raises OSError."""
        for folder in (self.approved, self.again):
            folder.mkdir(parents=True, exist_ok=True)

    def waiting(self) -> dict[Path, Signature]:
        """Every export file in the directory, in ``approved/`` and in ``again/``, complete or not.

        A file that cannot be looked at is passed over until it can. Raises OSError where the
        directory itself cannot be read: an empty one and an unreachable one are not the same.
        """
        beside = (folder for folder in (self.approved, self.again) if folder.is_dir())
        files = (path for folder in (self.directory, *beside) for path in self._exports_in(folder))
        return {path: found for path in sorted(files) if (found := _signature(path))}

    def complete(self, seen: Mapping[Path, Signature], now_s: float) -> list[Path]:
        """The complete ones of those waiting, oldest first; ``now_s``: a clock never set back."""
        handed_back = [path for path in seen if path.parent == self.again]
        arriving = {path: found for path, found in seen.items() if path.parent != self.again}
        if self._watching.done_marker:
            complete = [path for path in arriving if self._is_marked(path)]
        else:
            complete = self._stable.observe(arriving, now_s)
        complete += handed_back
        return sorted(complete, key=lambda path: (seen[path].mtime_ns, path))

    @staticmethod
    def is_unchanged(path: Path, signature: Signature) -> bool:
        """Whether the file is still the one that had this signature."""
        return _signature(path) == signature

    def is_approved(self, path: Path) -> bool:
        """Whether a person put the file into ``approved/``."""
        return path.parent == self.approved

    def hand_back(self, path: Path) -> Path:
        """Have a kept file read again; its new path. Raises OSError."""
        self.again.mkdir(parents=True, exist_ok=True)
        return path.replace(self.again / path.name)

    def forget_marker(self, path: Path) -> None:
        """The file was moved: its marker says nothing any more. Raises OSError."""
        if self._watching.done_marker:
            self._marker(path).unlink(missing_ok=True)

    def _exports_in(self, folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] != "." and self._is_meant(folder, entry.name):
                    yield folder / entry.name

    def _is_meant(self, folder: Path, name: str) -> bool:
        """Whether it is an export by its name; in ``approved/`` files stand under their kept names."""
        if folder == self.again or matches(name, self._watching.pattern):
            return True
        return folder == self.approved and matches(name_it_came_under(name), self._watching.pattern)

    def _is_marked(self, path: Path) -> bool:
        return self.is_approved(path) or _exists(self._marker(path))

    def _marker(self, path: Path) -> Path:
        return path.with_name(path.name + self._watching.done_marker)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the marker's name would be too long, or the share stumbles
        return False


def _signature(path: Path) -> Signature | None:
    """Of a file that is there and can be looked at; folders and pipes are none."""
    try:
        found = path.stat()
    except OSError:  # gone, a link to nowhere, or a network share that stumbles
        return None
    return Signature.of(found) if stat.S_ISREG(found.st_mode) else None
