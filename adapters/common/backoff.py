"""Exponential back-off for something that keeps failing. Reads no clock."""

from __future__ import annotations

from typing import Final

_MOST_DOUBLINGS: Final = 16


class Backoff:
    """Waits ``first_s`` after the first failure in a row, twice as long after each next, to ``longest_s``."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failed_in_a_row = 0
        self._until_s = float("-inf")

    def is_over(self, now_s: float) -> bool:
        """Whether it may be tried now."""
        return now_s >= self._until_s

    def failed(self, now_s: float) -> float:
        """It was tried and failed; how long to wait."""
        doubled = self._first_s * 2 ** min(self.failed_in_a_row, _MOST_DOUBLINGS)
        wait_s: float = min(self._longest_s, doubled)
        self.failed_in_a_row += 1
        self._until_s = now_s + wait_s
        return wait_s

    def reset(self) -> None:
        """It went well."""
        self.failed_in_a_row = 0
        self._until_s = float("-inf")
