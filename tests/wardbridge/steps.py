"""Steps to run in place of the router's."""

from collections.abc import Sequence

from bus.port import Record, Stored
from schemas import topics


class IdleStep:
    """Reads and decides nothing."""

    inputs = (topics.OBSERVATIONS,)
    state_topics = (topics.STATE,)

    def empty(self, partition: int) -> dict[int, int]:
        return {partition: 0}

    def restore(self, state: dict[int, int], stored: Stored) -> None:
        del state, stored

    def decide(self, state: dict[int, int], stored: Stored) -> Sequence[Record]:
        del state, stored
        return ()
