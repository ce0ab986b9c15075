"""Logs each change in the condition of a part or subscriber once, in both directions.

Feeds tell their own, in the process that they run in.

Invariant: a line has no word that a person wrote, and of whoever sends or receives only a reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from wardbridge.parts.repeated import Repeated
from wardbridge.parts.steadiness import ConditionChange, PartCondition

LOOK_EVERY_S: Final = 2.0
START_WITHIN_S: Final = 60.0
"""A part that was never well yet is starting; for longer than that, it is not."""

States = Callable[[], Mapping[str, str | None]]
"""Name to what is wrong, of all that is watched."""


class Journal(Repeated):
    """Looks every two seconds; what is wrong for less than that is told by nobody."""

    def __init__(self, states: States, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__("journal", self.look, LOOK_EVERY_S)
        self._states = states
        self._clock_s = clock_s
        self._began_s = clock_s()
        self._conditions: dict[str, PartCondition] = {}
        self._started: set[str] = set()

    def blocking(self) -> None:
        """Nobody waits for it."""

    def look(self) -> None:
        """Tell what has changed since the look before."""
        now_s = self._clock_s()
        try:
            states = self._states()
        except Exception as error:  # noqa: BLE001 - a part that changes meanwhile: the next time
            structlog.get_logger().debug("not_looked", error=type(error).__name__)
            return
        for name, reason in states.items():
            if self._has_started(name, reason, now_s):
                self._tell(name, reason, now_s)
        for gone in self._conditions.keys() - states.keys():  # a subscriber that was removed
            del self._conditions[gone]

    def _has_started(self, name: str, reason: str | None, now_s: float) -> bool:
        if reason is None or now_s - self._began_s >= START_WITHIN_S:
            self._started.add(name)
        return name in self._started

    def _tell(self, name: str, reason: str | None, now_s: float) -> None:
        condition = self._conditions.setdefault(name, PartCondition())
        match condition.note(reason, now_s):
            case ConditionChange.WORSE:
                structlog.get_logger().error("not_well", component=name, reason=reason)
            case ConditionChange.WELL_AGAIN:
                structlog.get_logger().info("well_again", component=name)
            case ConditionChange.NONE:
                pass
