"""Keeps the facts of recently used long visits parsed, within a bound for all of them."""

from __future__ import annotations

from typing import Final, Protocol

from router.core.keys import VisitKey

LONG: Final = 50
"""Facts above which a visit is long. A shorter one is read and folded anew in half a millisecond."""

MAX_PARSED: Final = 20_000
"""Facts of all long visits of a realm that are kept parsed, some 4 kB each with what was made of them."""


class LongVisit(Protocol):
    """What is kept parsed, or not."""

    at: VisitKey

    @property
    def weight(self) -> int:
        """How much is kept of it."""

    def put_away(self) -> None:
        """Keep nothing parsed any longer."""


class LongVisits:
    """Those that are kept parsed; who was used last comes last."""

    def __init__(self) -> None:
        self._kept: dict[VisitKey, LongVisit] = {}

    def use(self, visit: LongVisit) -> None:
        """Keep this one; put away others that were not used for longest while all have too many facts."""
        self._kept.pop(visit.at, None)
        self._kept[visit.at] = visit
        while len(self._kept) > 1 and self._weight > MAX_PARSED:
            self._kept.pop(next(iter(self._kept))).put_away()

    @property
    def _weight(self) -> int:
        return sum(visit.weight for visit in self._kept.values())
