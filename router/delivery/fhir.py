"""FHIR rest-hook: each notice is one notification Bundle, posted in the order of its number.

Source: Subscriptions R5 Backport 1.1.0, "REST-Hook". A handshake comes before the first notice and has
to be answered; heartbeats say, while there is nothing else to say, that we are still there.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from router.delivery.bundles import (
    Said,
    Speaker,
    Standing,
    State,
    as_bytes,
    event_notification,
    notification,
    status_of,
)
from router.delivery.channel import Answer, Outgoing
from router.delivery.posting import Address, Poster
from router.delivery.resources import FHIR_JSON


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subscription's notifications go, and how.

    ``revision`` grows when whoever subscribed changes anything or asks for another try: then it is
    another endpoint, that has to be greeted.
    """

    address: Address
    headers: Mapping[str, str] = field(default_factory=dict)
    heartbeat_s: float | None = None
    revision: int = 0


class RestHook:
    """One subscription's endpoint."""

    one_at_a_time = True
    """Whoever looks for gaps takes a number that comes late for one that is lost."""
    keeps_visits = False
    """An Encounter is what one ward is told of a visit: two wards' are two resources."""

    def __init__(
        self,
        speaker: Speaker,
        endpoint: Endpoint,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as aiohttp calls it
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint = endpoint.address.named(endpoint.revision)
        self.heartbeat_s = endpoint.heartbeat_s
        self._speaker = speaker
        self._headers = {**endpoint.headers, "Content-Type": FHIR_JSON}
        self._poster = Poster(endpoint.address, tls, clock)
        self._clock = clock

    async def send(self, outgoing: Outgoing) -> Answer:
        """Make one attempt, within the time limit however slowly the other side answers."""
        body = event_notification(self._speaker, outgoing)
        return await self._poster.post(body, self._headers)

    async def test(self, number: str, at: datetime) -> Answer:
        """A heartbeat: what FHIR has that is about nobody. It changes nothing, so it has no number."""
        del number
        return await self._say("heartbeat", Standing("active", None), at)

    async def handshake(self, reached: int) -> Answer:
        """Ask whether the endpoint wants what was subscribed for it; once."""
        return await self._say("handshake", Standing("requested", reached), self._now())

    async def heartbeat(self, reached: int, state: State) -> Answer:
        """Say that there is nothing else to say, or why nothing is said; once."""
        return await self._say("heartbeat", Standing(state, reached), self._now())

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    async def _say(self, said: Said, standing: Standing, at: datetime) -> Answer:
        status = status_of(self._speaker, said, standing)
        body = as_bytes(notification(self._speaker, status, at, ()))
        return await self._poster.post(body, self._headers)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
