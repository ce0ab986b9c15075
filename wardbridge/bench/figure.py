"""One measured line: what, how much, of what, and the budget it is held against."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """``floor`` and ``aim`` are the design's budget; ``lower`` where less is better."""

    what: str
    value: float
    unit: str
    floor: float | None = None
    aim: float | None = None
    lower: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Against the budget: aim, floor, BELOW, or nothing where there is none."""
        if self.floor is None or self.aim is None:
            return ""
        if self._meets(self.aim):
            return "aim"
        return "floor" if self._meets(self.floor) else "BELOW"

    def _meets(self, budget: float) -> bool:
        return self.value <= budget if self.lower else self.value >= budget
