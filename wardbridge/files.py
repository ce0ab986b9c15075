"""How many files and connections a process may have open at once."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Final

from wardbridge.config.models import Installation

FILES: Final = 65_536  # a shell's usual 1,024 are soon used up
FILES_BESIDE: Final = 256  # what the log and all else need at most beside streams


def allow_more_files() -> int:
    """As many as whoever started us lets us have, up to what is of use; how many that is."""
    allowed, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if highest == resource.RLIM_INFINITY else min(FILES, highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, wanted), highest))
    return max(allowed, wanted)


def too_few_files(files: int, found: Installation) -> Iterator[str]:
    """What to say where the streams that may be open do not all fit."""
    streams = found.settings.http.max_streams
    if files < streams + FILES_BESIDE:
        yield (
            f"http.max_streams: only {files} files and connections may be open in this process, so "
            f"that {streams} streams cannot be: raise its limit (ulimit -n, LimitNOFILE)"
        )
