"""Reads an export file, completely or not yet.

A file that changes while it is read, or that may still grow, is left for a later look. Opening waits for
nobody: what has become a pipe since it was listed is no file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from adapters.elvis.handle import IncomingFile
from adapters.elvis.inbox import Signature
from adapters.elvis.settings import Watching

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Clocks(NamedTuple):
    """The time of day, and a clock that is never set back (seconds)."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Found(NamedTuple):
    """A file as it was read; ``signature`` tells whether it is still the one that stands there."""

    path: Path
    signature: Signature
    file: IncomingFile


class _Cut(NamedTuple):
    """A file that may still grow, as it was first seen, and when."""

    signature: Signature
    since_s: float


class ExportReader:
    """Reads the files of one inbox; remembers which of them were seen to be cut, and since when.

    ``make`` turns a path, its bytes and its signature into what the file says. No more than ``limit``
    bytes and one are read.
    """

    def __init__(
        self,
        make: Callable[[Path, bytes, Signature], IncomingFile],
        limit: int,
        watching: Watching,
        clocks: Clocks,
    ) -> None:
        self._make = make
        self._limit = limit
        self._watching = watching
        self._clocks = clocks
        self._cut: dict[Path, _Cut] = {}

    def keep_only(self, paths: Collection[Path]) -> None:
        """Forget all other files: they are gone."""
        self._cut = {path: cut for path, cut in self._cut.items() if path in paths}

    def read(self, path: Path) -> Found | None:
        """The file; None where it is left for a later look. Raises OSError."""
        with open_file(path) as file:
            before = _signature(file)
            if self._is_known_as_cut(path, before) and not self._has_settled(path, before):
                return None
            payload = file.read(self._limit + 1)
            after = _signature(file)
        if before != after:
            return None
        found = Found(path, before, self._make(path, payload, before))
        return None if found.file.may_grow and not self._is_as_long_as_it_gets(found) else found

    def _is_as_long_as_it_gets(self, found: Found) -> bool:
        path, signature = found.path, found.signature
        if not self._is_known_as_cut(path, signature):
            self._cut[path] = _Cut(signature, self._clocks.monotonic())
        return self._has_settled(path, signature)

    def _is_known_as_cut(self, path: Path, signature: Signature) -> bool:
        return path in self._cut and self._cut[path].signature == signature

    def _has_settled(self, path: Path, signature: Signature) -> bool:
        """By the file's own time, or by ours where the file server's clock is ahead."""
        if self._watching.done_marker:
            return True
        wait_s = self._watching.incomplete_s
        if self._clocks.now().timestamp() - signature.mtime_ns / 1e9 >= wait_s:
            return True
        return self._clocks.monotonic() - self._cut[path].since_s >= wait_s


def open_file(path: Path) -> BinaryIO:
    """A regular file, opened for reading without waiting. Raises OSError."""
    return open(path, "rb", opener=_opened)


def _opened(path: str, _flags: int) -> int:
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"no regular file any more: {path!r}")
    return descriptor


def _signature(file: BinaryIO) -> Signature:
    return Signature.of(os.fstat(file.fileno()))
