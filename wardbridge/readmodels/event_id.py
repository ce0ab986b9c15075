"""Event ids of streams: the ward's sequence, a point, and when the log took the notice.

The time (Unix milliseconds, in hexadecimal digits) tells a notice from another one to which a log
that was restored from an older copy has given the same number since. A number alone is taken too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PATTERN: Final = r"^[0-9]{1,15}(\.[0-9a-f]{1,15})?$"


class EventId(NamedTuple):
    """``taken_ms`` is None where it is not known, and then not compared."""

    sequence: int
    taken_ms: int | None = None

    def __str__(self) -> str:
        return f"{self.sequence}" if self.taken_ms is None else f"{self.sequence}.{self.taken_ms:x}"


def parsed(text: str) -> EventId:
    """The id in a text of :data:`PATTERN`."""
    sequence, _, taken = text.partition(".")
    return EventId(int(sequence), int(taken, 16) if taken else None)
