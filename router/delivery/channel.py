"""The interface of a channel: one attempt to deliver a notice, and its result."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from schemas.fields import Beside
from schemas.notification import DesignationData, Notification

MINIMAL: Final = Beside(level="minimal")
INCOMPLETE: Final = Beside(level="minimal", incomplete=True)
"""For a subscriber who may be told more, which was not known in time."""


class Outgoing(NamedTuple):
    """One notice for one subscriber, numbered. The same however often it is sent, but for ``beside``."""

    sequence: int
    notice: Notification
    queued_at_s: float
    """Unix time at which it entered the queue: what giving up is counted from."""
    beside: Beside = MINIMAL
    """What this subscriber is told besides, looked up for this attempt."""


class FieldsBeside(Protocol):
    """What one subscriber is told beside a notice, as it is known now."""

    def now(self, row: DesignationData, *, has_waited: bool) -> Beside | None:
        """None where what is known is behind the notice; not after :meth:`until_known` has returned."""
        ...

    async def until_known(self, row: DesignationData) -> None:
        """Return once all that was written before this call is known; may wait for ever, and be cancelled."""
        ...


class AttemptResult(NamedTuple):
    """What came of one attempt. Without ``refusal`` the notice was taken.

    ``gone``: the endpoint says that it will never take anything again. ``unwanted``: it refuses
    this notice for what it is. ``retry_after_s`` is what it asked for. ``said`` is what it gave as its reason, as
    far as everybody may read it (``router.delivery.refusal_text``). Both texts tell nothing of the notice.
    """

    refusal: str | None = None
    status: int | None = None
    retry_after_s: float = 0.0
    gone: bool = False
    unwanted: bool = False
    said: str = ""

    @property
    def reason(self) -> str | None:
        """Why it was not taken, with what the receiver said of it."""
        return f"{self.refusal}: {self.said}" if self.refusal and self.said else self.refusal


class Channel(Protocol):
    """One subscriber's endpoint."""

    @property
    def endpoint(self) -> str:
        """What changes with the address, and does not tell it."""
        ...

    @property
    def one_at_a_time(self) -> bool:
        """Whether attempts follow one another, the lowest number that may be tried first."""
        ...

    @property
    def keeps_visits(self) -> bool:
        """Whether a visit's notices must not overtake one another, at different wards neither."""
        ...

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt. Never raises for what the other side does."""
        ...

    async def test(self, number: str, at: datetime) -> AttemptResult:
        """Make one attempt with something that is about nobody."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Conversing(Channel, Protocol):
    """An endpoint that is greeted before the first notice, and wants to hear that we are there."""

    heartbeat_s: float | None
    """After so long a silence; None: never."""

    async def handshake(self, reached: int) -> AttemptResult:
        """Ask once whether it is the right one. Never raises for what the other side does."""
        ...

    async def heartbeat(self, reached: int, state: Literal["active", "error"]) -> AttemptResult:
        """Say once that there is nothing else to say. Never raises for what the other side does."""
        ...
