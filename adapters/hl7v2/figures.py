"""Counters of a listener, and the detection of repeated control ids."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from adapters.common.figures import FeedFigures
from adapters.common.listening import no_reasons
from adapters.hl7v2.limits import REMEMBERED_CONTROL_IDS


@dataclass
class ListenerFigures(FeedFigures):
    """What a port counts besides."""

    connections: int = 0
    connections_total: int = 0
    messages: int = 0
    payload_bytes: int = 0
    noise_bytes: int = 0
    stalled: int = 0
    control_ids_reused: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=no_reasons)
    """Connections that we refused or ended, by why."""

    def heard(self, payload: bytes, at: datetime) -> None:
        """A whole frame came."""
        self.messages += 1
        self.payload_bytes += len(payload)
        self.last_seen = at

    def counts(self) -> dict[str, int]:
        """Every count, by its name; answers by their code, connections that we ended by why."""
        answers = {f"answers_{code}": number for code, number in self.answers.items()}
        ended = {f"connections_{why}": number for why, number in self.ended.items()}
        return super().counts() | answers | ended


class ControlIds:
    """Notices a control id that comes again with other content: of no effect, but counted.

    Both are kept as hashes: an id may be as long as a message.
    """

    def __init__(self, remembered: int = REMEMBERED_CONTROL_IDS) -> None:
        self._remembered = remembered
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()

    def reused(self, control_id: str, payload: bytes) -> bool:
        """Whether the id stood for something else before."""
        key = blake2b(control_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        content = blake2b(payload, digest_size=8).digest()
        before = self._contents.get(key)
        self._contents[key] = content
        if before is None and len(self._contents) > self._remembered:
            self._contents.popitem(last=False)
        return before is not None and before != content
