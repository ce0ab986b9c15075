"""Keys of rows: parts joined by ``|``, unambiguous whatever the parts hold.

``%`` and ``|`` inside a part are percent-encoded, so a key splits back into exactly its parts.
"""

from __future__ import annotations

VisitKey = tuple[str, str]
"""A source, and a visit's number there."""


def escaped(part: str) -> str:
    """One part as it stands in a key."""
    return part.replace("%", "%25").replace("|", "%7C")


def plain(part: str) -> str:
    """The part that :func:`escaped` was given."""
    return part.replace("%7C", "|").replace("%25", "%")


def joined(*parts: str) -> str:
    """The key of these parts."""
    return "|".join(map(escaped, parts))


def parted(key: str) -> list[str]:
    """The parts of a key."""
    return [plain(part) for part in key.split("|")]


def bare_number(visit: str) -> str:
    """The number alone of a visit's id, ``NUMBER@ASSIGNER`` or ``NUMBER`` (``adapters.common.visits``)."""
    return visit.partition("@")[0]


def is_with_assigner(visit: str) -> bool:
    """Whether somebody said who gave the visit's number."""
    return "@" in visit
