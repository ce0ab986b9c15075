"""Webhooks: a CloudEvent in one HTTP POST, signed as Standard Webhooks says.

Format: CloudEvents 1.0 HTTP protocol binding, structured mode (section 3.2), with two extension
attributes, ``subscription`` and ``subscriptionsequence``.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from router.delivery.channel import Answer, Outgoing
from router.delivery.posting import Address, Poster
from router.delivery.signature import signed
from schemas.delivery import TOLD_SCHEMA_ID, SubscriberNotice, TestEvent, ToldData

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subscriber's notices go, and how. The newest key comes first; all of them sign."""

    url: str
    keys: Sequence[bytes]
    timeout_s: float = 10.0
    allow_private: bool = False


class Webhook:
    """One subscriber's endpoint."""

    one_at_a_time = False
    keeps_visits = False

    def __init__(
        self,
        subscriber: str,
        endpoint: Endpoint,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as aiohttp calls it
        clock: Callable[[], float] = time.time,
    ) -> None:
        address = Address(endpoint.url, endpoint.timeout_s, endpoint.allow_private)
        self.endpoint = address.named()
        self._subscriber = subscriber
        self._keys = endpoint.keys
        self._poster = Poster(address, tls, clock)
        self._clock = clock

    async def send(self, outgoing: Outgoing) -> Answer:
        """Make one attempt, within the time limit however slowly the other side answers."""
        return await self._post(outgoing.notice.id, body_of(self._subscriber, outgoing))

    async def test(self, number: str, at: datetime) -> Answer:
        """The same with an event about nobody."""
        event = TestEvent(id=number, time=at, subscription=self._subscriber)
        return await self._post(number, event.model_dump_json().encode())

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()

    async def _post(self, event: str, body: bytes) -> Answer:
        headers = signed(self._keys, event, int(self._clock()), body)
        return await self._poster.post(body, {"Content-Type": CONTENT_TYPE, **headers})


def body_of(subscriber: str, outgoing: Outgoing) -> bytes:
    """The CloudEvent as this subscriber gets it: the same bytes for the same notice, told the same besides."""
    notice, beside = outgoing.notice, outgoing.beside
    said: dict[str, Any] = dict(notice)
    if beside.level != "minimal":
        said["dataschema"] = TOLD_SCHEMA_ID
    said["data"] = ToldData(**{
        **dict(notice.data), "details": beside.details, "patient": beside.patient,
        "protected": notice.data.protected or beside.protected,
    })  # fmt: skip
    event = SubscriberNotice(
        **said, subscription=subscriber, subscriptionsequence=outgoing.sequence
    )
    return event.model_dump_json(exclude_none=True).encode()
