"""Writes files that survive loss of power: complete under their name, or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


def flush(path: Path) -> None:
    """Make a file's content, or a folder's names, survive. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, content: bytes, owner: os.stat_result | None = None) -> None:
    """Write a file that its owner only may read: root may give it to ``owner``. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    opened = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if owner is not None:
        give(unfinished, owner)
    unfinished.rename(path)
    flush(path.parent)


def give(path: Path, owner: os.stat_result) -> None:
    """To that user, if we are root: whoever is not could not read it."""
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
