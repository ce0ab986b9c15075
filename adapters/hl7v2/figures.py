"""What a listener counts, and the memory that notices a control id used twice."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Final

from adapters.common.outcome import Outcome

REMEMBERED_CONTROL_IDS: Final = 10_000
"""Enough for a sender that begins anew each day; about two megabytes."""


@dataclass
class Figures:
    """Counted since the start. ``last_message_at`` is when a sender was last heard with a frame."""

    connections: int = 0
    connections_total: int = 0
    connections_refused: int = 0
    messages: int = 0
    payload_bytes: int = 0
    noise_bytes: int = 0
    too_large: int = 0
    stalled: int = 0
    not_stored: int = 0
    control_ids_reused: int = 0
    last_message_at: datetime | None = None
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def heard(self, payload: bytes, at: datetime) -> None:
        """A whole frame came."""
        self.messages += 1
        self.payload_bytes += len(payload)
        self.last_message_at = at

    def became(self, outcome: Outcome) -> None:
        """What a message turned out to be: by verdict and reason."""
        self.outcomes[outcome.verdict.value, outcome.reason] += 1
        for warning in outcome.warnings:
            self.outcomes["warning", warning.reason] += 1


class ControlIds:
    """Notices a control id that comes again with other content: of no effect, but counted."""

    def __init__(self, remembered: int = REMEMBERED_CONTROL_IDS) -> None:
        self._remembered = remembered
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def reused(self, control_id: str, payload: bytes) -> bool:
        """Whether the id stood for something else before."""
        content = blake2b(payload, digest_size=8).digest()
        before = self._contents.get(control_id)
        self._contents[control_id] = content
        if before is None and len(self._contents) > self._remembered:
            self._contents.popitem(last=False)
        return before is not None and before != content
