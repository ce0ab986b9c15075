"""How long wards hear nothing after a fault: read from the log, which stamps each notice when it takes it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bus.port import Log
from schemas import topics
from tests.support.replay import everything


def silences_s(log: Log, at_s: Sequence[float]) -> list[float]:
    """The longest time without a notice after each moment (seconds since 1970).

    A time without a notice that lasts over one of the moments is that one's.
    """
    taken_s = sorted(stored.timestamp_ms / 1000 for stored in everything(log, topics.DESIGNATIONS))
    gaps = list(pairwise(taken_s))
    ends_s = [*at_s[1:], float("inf")]
    return [
        max((after - before for before, after in gaps if began < after <= end), default=end - began)
        for began, end in zip(at_s, ends_s, strict=True)
    ]
