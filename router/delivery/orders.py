"""What a person may ask of a running sender."""

from __future__ import annotations

from typing import NamedTuple


class Pause(NamedTuple):
    """Send nothing until resumed; notices wait."""

    reason: str


class Resume(NamedTuple):
    """Send again, whatever paused it."""


class Skip(NamedTuple):
    """Give up the notice with this number, which is being tried, and go on."""

    sequence: int
    reason: str


Order = Pause | Resume | Skip
