"""Detects when the condition of a part has changed, so that each change is logged once. Reads no clock.

Invariant: a part that fails again as soon as it works has not become well in between. It is well when it
has been so for ``STEADY_S``.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

STEADY_S: Final = 10.0
"""Longer than a part takes to meet again what it failed at."""


_NUMBER: Final = re.compile(r"[\d.]+")


class ConditionChange(Enum):
    """What is to be told of a condition."""

    NONE = auto()
    WORSE = auto()
    WELL_AGAIN = auto()


class PartCondition:
    """The condition of one part, as it was told last."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._well_since_s: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong by what was told last."""
        return not self._told

    def note(self, reason: str | None, now_s: float) -> ConditionChange:
        """How it is now: what is wrong (numbers in it do not count); None: nothing."""
        if reason is not None:
            self._well_since_s = None
            words = _NUMBER.sub("0", reason)
            is_new = words not in self._told
            self._told.add(words)
            return ConditionChange.WORSE if is_new else ConditionChange.NONE
        if self._told and self._has_been_well(now_s):
            self._told.clear()
            return ConditionChange.WELL_AGAIN
        return ConditionChange.NONE

    def _has_been_well(self, now_s: float) -> bool:
        if self._well_since_s is None:
            self._well_since_s = now_s
        return now_s - self._well_since_s >= STEADY_S
