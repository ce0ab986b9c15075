"""How much memory a process has had."""

from __future__ import annotations

from pathlib import Path


def peak_mb(process: int | None = None) -> float:
    """The most memory resident so far; unlike rusage, not inherited from who started us.

    Of this process, or the one with that id. Raises OSError where there is none.
    """
    status = Path(f"/proc/{process or 'self'}/status").read_text(encoding="ascii")
    kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kb) / 1024
