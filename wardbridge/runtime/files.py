"""Raises the limit of open files and connections of this process."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Final

from adapters.common.limits import FILES_RESERVED
from wardbridge.config.models import Installation

FILES: Final = 65_536  # a shell's usual 1,024 are soon used up


def allow_more_files() -> int:
    """As many as whoever started us lets us have, up to what is of use; how many that is."""
    allowed, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if highest == resource.RLIM_INFINITY else min(FILES, highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, wanted), highest))
    return max(allowed, wanted)


def too_few_files(files: int, found: Installation) -> Iterator[str]:
    """What to say where the connections that may be open do not all fit."""
    wanted = found.settings.http.max_connections
    if files < wanted + FILES_RESERVED:
        yield (
            f"http.max_connections: only {files} files and connections may be open in this process, so "
            f"that {wanted} connections cannot be: raise its limit (ulimit -n, LimitNOFILE)"
        )
