"""Recorded time and order stamp, the same for messages and resources."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.common.outcome import Trouble

ID_BYTES: Final = 16
"""Of an observation's identity: a hash of what was sent."""
_MAX_DIGITS: Final = 18  # what a signed 64-bit integer always holds


class Moment(NamedTuple):
    """A moment in UTC, and the rule that produced it from what was sent."""

    at: datetime
    rule: str


class Recorded(NamedTuple):
    """When it was recorded, by which rule, and the text that said so ("" if none did)."""

    moment: Moment
    as_sent: str


def sorts_at(
    recorded_at: datetime, received_at: datetime, skew: timedelta, where: str
) -> tuple[datetime, list[Trouble]]:
    """The recorded time; one too far in the future gives way to the receipt, with a warning."""
    if recorded_at <= received_at + skew:
        return recorded_at, []
    ahead = recorded_at - received_at
    detail = (
        f"{_in_words(ahead)} ahead of its receipt, so it is sorted by that: set the sender's clock, or the feed's "
        "`zone` where the time is another zone's, then resolve this; it is one item for all that the feed sends so, "
        "and its outcomes in /metrics count them"
    )
    return received_at, [Trouble("recorded-in-the-future", detail, where, of_feed=True)]


def _in_words(ahead: timedelta) -> str:
    if ahead >= timedelta(days=2):
        return f"{ahead.days} days"
    minutes = ahead // timedelta(minutes=1)
    if minutes == 0:
        return f"{ahead // timedelta(seconds=1)} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004


def counted(text: str) -> int | None:
    """The number where a sender counts; None for any other text."""
    counts = text.isdecimal() and text.isascii() and len(text) <= _MAX_DIGITS
    return int(text) if counts else None
