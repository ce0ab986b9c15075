"""Counters of a feed, the same for every protocol."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final

from adapters.common.outcome import InputOutcome, Verdict

MANY_IN_A_ROW: Final = 3
"""Inputs withheld one after the other: no longer one slip among others."""


@dataclass
class FeedFigures:
    """Counted since the start.

    ``last_seen`` is when a sender was last heard with an input; ``last_accepted_at`` when it was last
    heard with one that was accepted, and ``in_review_in_a_row`` how many since then were withheld, so
    that a feed whose every input is refused shows it.
    """

    too_large: int = 0
    not_stored: int = 0
    in_review_in_a_row: int = 0
    last_seen: datetime | None = None
    last_accepted_at: datetime | None = None
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    _last_reason: str = field(default="", repr=False)

    def became(self, outcome: InputOutcome) -> None:
        """What an input turned out to be: by verdict and reason."""
        self.outcomes[outcome.verdict.value, outcome.reason] += 1
        if outcome.verdict is Verdict.ACCEPTED:
            self.last_accepted_at, self.in_review_in_a_row = self.last_seen, 0
        elif outcome.verdict is Verdict.REVIEW:
            self.in_review_in_a_row += 1
            self._last_reason = outcome.reason
        for warning in outcome.warnings:
            self.outcomes["warning", warning.reason] += 1

    def trouble(self) -> str | None:
        """That nothing is accepted any more, and why the last was not."""
        if self.in_review_in_a_row < MANY_IN_A_ROW:
            return None
        return f"the last {self.in_review_in_a_row} inputs wait in review: {self._last_reason}"

    def counts(self) -> dict[str, int]:
        """Every plain count, by its name."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in named.items() if isinstance(value, int)}
