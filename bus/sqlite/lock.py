"""One writer: an advisory lock (``flock``) on a file beside the database.

The lock goes with the process, however it ends; the file stays and names the last holder.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from bus.port import LogBusyError

_LONGEST_PID: Final = 32


class WriterLock:
    """Held from construction to :meth:`release`. Raises LogBusyError if another holds it."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, _LONGEST_PID).decode(errors="replace").strip()
            os.close(self._file)
            raise LogBusyError(
                f"it is being written by process {holder or 'unknown'}: "
                "stop that first, or give this one another data folder"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let the next writer in."""
        os.close(self._file)
