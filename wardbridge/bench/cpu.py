"""How much CPU time a service has used: all of its processes together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_USER_TIME, _SYSTEM_TIME = 11, 12
"""Places in ``/proc/<id>/stat`` after the process's name (proc(5), fields 14 and 15)."""


def cpu_s(process: int) -> float:
    """Seconds that the process and its living descendants have used, user and system time.

    Raises OSError where there is no such process.
    """
    return sum(_own_ticks(each) for each in (process, *descendants(process))) / _TICKS_PER_S


def _own_ticks(process: int) -> int:
    _, _, after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")
    fields = after_name.split()
    return int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])


def descendants(process: int) -> Iterator[int]:
    """The processes that it has started, and those that these have."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text(encoding="ascii").split()):
            yield child
            yield from descendants(child)
