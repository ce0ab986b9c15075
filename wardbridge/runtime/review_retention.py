"""The retention job of review, as a part of the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus.port import Log, LogError
from wardbridge.parts.repeated import Repeated
from wardbridge.reviewing.retention import keep

INTERVAL_S: Final = 6 * 3600.0


class Keeping(Repeated):
    """At the start and four times a day."""

    def __init__(self, log: Log, settled_for: timedelta, clock: Callable[[], datetime]) -> None:
        super().__init__("review-keeping", self._keep, INTERVAL_S)
        self._log = log
        self._settled_for = settled_for
        self._clock = clock

    def blocking(self) -> None:
        """Nobody waits for it."""

    def _keep(self) -> None:
        try:
            kept = keep(self._log, self._settled_for, self._clock())
        except LogError as error:  # the next time
            structlog.get_logger().error("review_not_kept", reason=type(error).__name__)
            return
        if any(kept):
            structlog.get_logger().info("review_kept", **kept._asdict())
