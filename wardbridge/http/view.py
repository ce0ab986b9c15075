"""What the routes and the metrics may look at: everything that runs, for reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bus.port import Log
from schemas.ward import WardRegister
from wardbridge.components.base import Component
from wardbridge.components.feed import FeedComponent
from wardbridge.components.router import RouterComponent
from wardbridge.http.hub import Hub


@dataclass(frozen=True, slots=True)
class View:
    """The running service as its HTTP surface sees it."""

    log: Log
    hub: Hub
    register: WardRegister
    router: RouterComponent
    feeds: Sequence[FeedComponent]
    others: Sequence[Component]
    heartbeat_s: float

    def components(self) -> Sequence[Component]:
        """Every part whose state decides whether the service is ready."""
        return (self.router, *self.others, *self.feeds)

    def blocking(self) -> dict[str, str]:
        """Component to reason, for each that does not do its work now."""
        reasons = {part.name: part.failure() or part.blocking() for part in self.components()}
        return {name: reason for name, reason in reasons.items() if reason}
