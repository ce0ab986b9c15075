"""Webhooks: a CloudEvent in one HTTP POST, signed as Standard Webhooks says.

Format: CloudEvents 1.0 HTTP protocol binding, structured mode (section 3.2), with two extension
attributes, ``subscription`` and ``subscriptionsequence``. Any 2xx is a yes, 410 ends the endpoint,
everything else is tried again (Standard Webhooks 1.0.0, "Responses"); redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from router.delivery.addresses import address_of
from router.delivery.channel import Answer, Outgoing
from router.delivery.signature import signed
from schemas.delivery import SubscriberNotice

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"
ANSWER_BYTES: Final = 65_536
"""Read of an answer, so that the connection can serve again; nobody looks at it."""
LONGEST_RETRY_AFTER_S: Final = 3_600.0
UNWANTED: Final = frozenset({400, 413, 415, 422})
"""Answers that are about the body (RFC 9110, section 15.5), not about who or when."""
ENDPOINT_DIGITS: Final = 16  # of its hash: an address may hold a token, and the state is kept


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a subscriber's notices go, and how. The newest key comes first; all of them sign."""

    url: str
    keys: Sequence[bytes]
    timeout_s: float = 10.0
    allow_private: bool = False


class Webhook:
    """One subscriber's endpoint."""

    def __init__(
        self,
        subscriber: str,
        endpoint: Endpoint,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as httpx calls it
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.endpoint = hashlib.sha256(endpoint.url.encode()).hexdigest()[:ENDPOINT_DIGITS]
        self._subscriber = subscriber
        self._terms = endpoint
        self._url = httpx.URL(endpoint.url)
        self._clock = clock
        self._client = httpx.AsyncClient(verify=tls, trust_env=False, timeout=endpoint.timeout_s)

    async def send(self, outgoing: Outgoing) -> Answer:
        """Make one attempt, within the time limit however slowly the other side answers."""
        try:
            async with asyncio.timeout(self._terms.timeout_s):
                return await self._post(outgoing)
        except TimeoutError:
            return Answer("no answer within the time limit")
        except (httpx.HTTPError, OSError) as error:
            return Answer(f"{type(error).__name__}: {_text(error)}")

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _post(self, outgoing: Outgoing) -> Answer:
        body = body_of(self._subscriber, outgoing)
        request = await self._request(body)
        request.headers.update(
            signed(self._terms.keys, outgoing.notice.id, int(self._clock()), body)
        )
        response = await self._client.send(request, stream=True)
        try:
            await _read_some(response)
        finally:
            await response.aclose()
        return self._judge(response)

    async def _request(self, body: bytes) -> httpx.Request:
        """To the address that was looked at, by the name that the certificate must have."""
        host, port = self._url.host, self._url.port or _default_port(self._url)
        address = await address_of(host, port, allow_private=self._terms.allow_private)
        return self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers={"Host": self._url.netloc.decode("ascii"), "Content-Type": CONTENT_TYPE},
            extensions={"sni_hostname": host},
        )

    def _judge(self, response: httpx.Response) -> Answer:
        status = response.status_code
        if response.is_success:
            return Answer(status=status)
        if status == HTTPStatus.GONE:
            return Answer("410 Gone", status, gone=True)
        wait_s = retry_after_s(response.headers.get("Retry-After", ""), self._clock())
        return Answer(f"answered {status}", status, wait_s, unwanted=status in UNWANTED)


def body_of(subscriber: str, outgoing: Outgoing) -> bytes:
    """The CloudEvent as this subscriber gets it: the same bytes however often."""
    event = SubscriberNotice(
        **dict(outgoing.notice), subscription=subscriber, subscriptionsequence=outgoing.sequence
    )
    return event.model_dump_json(exclude_none=True).encode()


def retry_after_s(value: str, now_s: float) -> float:
    """Seconds that ``Retry-After`` asks for (RFC 9110, section 10.2.3), 0 where it asks nothing."""
    try:
        wait_s = float(value) if value.isdigit() else _until(value, now_s)
    except (ValueError, OverflowError):  # a year or an offset of twenty digits
        return 0.0
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _until(value: str, now_s: float) -> float:
    at = parsedate_to_datetime(value)
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now_s


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def _text(error: Exception) -> str:
    """An httpx or socket error's text: about addresses and protocol, never the notice."""
    return str(error) or "no more is known"


async def _read_some(response: httpx.Response) -> None:
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > ANSWER_BYTES:
            return
