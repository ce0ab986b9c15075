"""Keeps handled exports in ``done/`` and ``rejected/``, each under its content hash.

A file is moved, never changed, and keeps the bytes of its name behind the first letters of the hash; a
rejected one has ``.reason.json`` beside it. Moving it again, also after a crash, ends in the same place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from adapters.common.filename import shown
from adapters.common.outcome import InputOutcome

DONE: Final = "done"
REJECTED: Final = "rejected"
HASH_LETTERS: Final = 12
_KEPT: Final = re.compile(rf"\A[0-9a-f]{{{HASH_LETTERS}}}-")

_REASON: Final = ".reason.json"
_NAME_MAX_BYTES: Final = 255  # what Linux's file systems and SMB allow
_SUFFIX_MAX_BYTES: Final = 16  # of a name that is cut, its end is kept as far as this


class Archive:
    """The two folders of one feed's directory."""

    def __init__(self, directory: Path) -> None:
        self._done = directory / DONE
        self._rejected = directory / REJECTED

    def prepare(self) -> None:
        """Make the folders. Raises OSError."""
        for folder in (self._done, self._rejected):
            folder.mkdir(parents=True, exist_ok=True)

    def find(self, sha256: str) -> Path | None:
        """A file that is kept and has these bytes; None where it was deleted. Raises OSError."""
        head = sha256[:HASH_LETTERS]
        for folder in (self._rejected, self._done):
            for path in sorted(folder.glob(f"{head}-*")) if folder.is_dir() else ():
                if not path.name.endswith(_REASON) and path.is_file() and _hash(path) == sha256:
                    return path
        return None

    def finish(self, path: Path, sha256: str) -> Path:
        """Move an accepted file to ``done/``; its new path. Raises OSError."""
        self._reason(self._place(self._rejected, path, sha256)).unlink(missing_ok=True)
        return _move(path, self._place(self._done, path, sha256))

    def reject(self, path: Path, sha256: str, outcome: InputOutcome) -> Path:
        """Move a refused file to ``rejected/``, its reason beside it; its new path. Raises OSError."""
        place = self._place(self._rejected, path, sha256)
        told = {
            "file": shown(original_name(path.name, sha256)),
            "sha256": sha256,
            "reason": outcome.reason,
            "detail": outcome.detail,
            "where": outcome.where,
        }
        text = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
        place.parent.mkdir(parents=True, exist_ok=True)
        self._reason(place).write_text(text, encoding="utf-8")
        return _move(path, place)

    @staticmethod
    def _reason(place: Path) -> Path:
        return place.with_name(place.name + _REASON)

    def _place(self, folder: Path, path: Path, sha256: str) -> Path:
        """Where the file goes: a folder that somebody made under that name is left alone."""
        places = (folder / name for name in _kept_names(path.name, sha256))
        return next(one for one in places if not (one.is_dir() or self._reason(one).is_dir()))


def original_name(name: str, sha256: str) -> str:
    """The name that a file came under, whether or not it has been kept since."""
    return name.removeprefix(f"{sha256[:HASH_LETTERS]}-")


def name_it_came_under(kept: str) -> str:
    """The name that a kept file came under, by its kept name alone."""
    return _KEPT.sub("", kept, count=1)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept_names(name: str, sha256: str) -> Iterator[str]:
    given = original_name(name, sha256)
    for number in count(1):
        head = f"{sha256[:HASH_LETTERS]}-" if number == 1 else f"{sha256[:HASH_LETTERS]}-{number}-"
        yield head + _cut(given, _NAME_MAX_BYTES - len(head) - len(_REASON))


def _cut(name: str, most_bytes: int) -> str:
    raw = os.fsencode(name)
    if len(raw) <= most_bytes:
        return name
    suffix = b"." + raw.rpartition(b".")[2]
    end = suffix if len(suffix) <= _SUFFIX_MAX_BYTES else b""
    return os.fsdecode(raw[: most_bytes - len(end)] + end)


def _move(path: Path, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(place)
