"""The origin of each value of an observation, recorded on demand.

Nothing of it is stored or sent; a running feed does not ask, and pays one comparison a value.
"""

from __future__ import annotations

from typing import NamedTuple


class ValueOrigin(NamedTuple):
    """The field (``PV1-42``) or FHIRPath expression of a value, and the rule that chose it.

    A rule is a setting of the feed (``profile.marks``), or a fixed one in words.
    """

    where: str
    rule: str


class Origins:
    """The origins of one input's observations; ``finished`` has one mapping for each.

    Values are named by their path in the observation: ``claims.mark``. One that nobody asks of keeps
    nothing, and may serve all inputs.
    """

    __slots__ = ("_noted", "asked", "finished")

    def __init__(self, *, asked: bool) -> None:
        self.finished: list[dict[str, ValueOrigin]] = []
        self.asked = asked
        self._noted: dict[str, ValueOrigin] = {}

    def note(self, value: str, where: str, rule: str) -> None:
        """Remember where a value of the observation at hand comes from."""
        if self.asked:
            self._noted[value] = ValueOrigin(where, rule)

    def finish(self) -> None:
        """The observation at hand is made."""
        if self.asked:
            self.finished.append(self._noted)
            self._noted = {}

    def drop(self) -> None:
        """The observation at hand comes to nothing."""
        self._noted.clear()
