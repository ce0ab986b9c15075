"""Counters of an Elvis feed."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.common.figures import FeedFigures
from adapters.common.outcome import InputOutcome, Verdict


@dataclass
class ExportFigures(FeedFigures):
    """What is counted besides; ``files_waiting`` as seen at the last look."""

    files_waiting: int = 0
    files_accepted: int = 0
    files_refused: int = 0
    files_known: int = 0
    files_unreadable: int = 0
    files_replaced: int = 0
    files_failed: int = 0
    observations: int = 0
    warnings: int = 0
    looks_failed: int = 0
    commits_failed: int = 0
    moves_failed: int = 0

    def became(self, outcome: InputOutcome) -> None:
        """What an export turned out to be."""
        super().became(outcome)
        self.files_refused += outcome.verdict is Verdict.REVIEW
        self.files_accepted += outcome.verdict is Verdict.ACCEPTED
        self.observations += len(outcome.observations)
        self.warnings += len(outcome.warnings)
