"""Values: what a replay would do about one input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from bus.port import Record
from schemas.observation import RawPointer
from schemas.review import ReviewItem


class Cannot(NamedTuple):
    """Why an item cannot be read again: a stable code, and what to do."""

    code: str
    advice: str


NO_FEED: Final = Cannot("feed-unknown", "no feed of that name is configured: discard or resolve it")
NO_INPUT: Final = Cannot("no-input", "it is of no input: see its detail, then resolve it")
NO_BYTES: Final = Cannot(
    "bytes-gone", "its bytes are kept no longer: have it sent again, discard or resolve it"
)
OF_THE_REQUEST: Final = Cannot(
    "sender-refused", "its sender was refused for how it sent it, and must send it rightly"
)
NOT_READ: Final = "not-read"
"""Code of what a feed says itself."""


class ReplayedBy(NamedTuple):
    """Who replays, and when."""

    by: str
    at: datetime


class KeptInput(NamedTuple):
    """An input, when it was received, and the items that are to be dealt with by reading it again."""

    raw: RawPointer
    received_at: datetime
    items: tuple[ReviewItem, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """One input: what is to be written, and what becomes of its items.

    ``envelopes`` are what the router will hear: of an export its feed writes them. ``remains`` has the
    items that are met again, ``met`` the new ones that come in their place. ``sha256``: the export to hand back, for an input that is one. ``cannot``:
    why it is not read at all; then nothing else is there.
    """

    items: tuple[ReviewItem, ...]
    records: tuple[Record, ...] = ()
    envelopes: tuple[Record, ...] = ()
    remains: frozenset[str] = frozenset()
    met: tuple[ReviewItem, ...] = ()
    sha256: str = ""
    cannot: Cannot | None = None


def by_input(items: Iterable[ReviewItem]) -> list[KeptInput]:
    """The inputs of some items, each once, oldest first. Items without an input have none."""
    found: dict[str, KeptInput] = {}
    for item in items:
        if item.raw is not None:
            before = found.get(item.raw.id) or KeptInput(item.raw, item.at, ())
            found[item.raw.id] = before._replace(items=(*before.items, item))
    return sorted(found.values(), key=lambda each: (each.received_at, each.raw.id))
