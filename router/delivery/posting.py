"""One HTTP POST to a subscriber, and what its response means.

Any 2xx is a yes, 410 ends the endpoint, everything else is tried again (Standard Webhooks 1.0.0,
"Responses"); redirects are not followed. The address is judged anew with each connection.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
import yarl

from router.delivery.addresses import Policy
from router.delivery.channel import AttemptResult
from router.delivery.http import reason_of, session
from router.delivery.refusal import PlainPort
from router.delivery.refusal_text import BODY_BYTES, of_body

ANSWER_BYTES: Final = 65_536
"""Read of an answer, so that the connection can serve again."""
LONGEST_RETRY_AFTER_S: Final = 3_600.0
"""Whatever an endpoint asks for: it would otherwise silence its notices for good."""
UNWANTED: Final = frozenset({400, 413, 415, 422})
"""Answers that are about the body (RFC 9110, section 15.5), not about who or when."""


class PostTarget(Protocol):
    """Where to, and on which terms."""

    @property
    def url(self) -> str:
        """The address."""
        ...

    @property
    def timeout_s(self) -> float:
        """Of one attempt, to its whole answer."""
        ...

    @property
    def allow_private(self) -> bool:
        """Whether it may lie in this network."""
        ...


class Poster:
    """Posts to one address, over connections that are kept."""

    def __init__(self, to: PostTarget, tls: ssl.SSLContext | bool = True) -> None:  # noqa: FBT001, FBT002 - as aiohttp has it
        self._to = to
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._plain = _plain_port(to)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> AttemptResult:
        """Make one attempt, within the time limit however slowly the other side answers."""
        try:
            async with asyncio.timeout(self._to.timeout_s):
                answer = await self._post(body, headers)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one
            reason = reason_of(error)
            return AttemptResult(await self._plain.explained(reason) if self._plain else reason)
        except ValueError as error:  # the client will not have it; its text may quote the address
            return AttemptResult(f"{type(error).__name__}: no such request can be made")
        if self._plain is not None:
            self._plain.answered()
        return answer

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> AttemptResult:
        if self._session is None:  # made in the event loop that it works in
            self._session = session(self._tls, Policy(self._to.allow_private))
        async with self._session.post(
            self._to.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return _judged(response, await _read_some(response))


def _plain_port(to: PostTarget) -> PlainPort | None:
    url = yarl.URL(to.url)
    if url.scheme == "https" or url.host is None or url.port is None:
        return None
    return PlainPort(Policy(to.allow_private), url.host, url.port)


def _judged(response: aiohttp.ClientResponse, body: bytes) -> AttemptResult:
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return AttemptResult(status=status)
    if status == HTTPStatus.GONE:
        return AttemptResult("410 Gone", status, gone=True)
    wait_s = retry_after_s(response.headers.get("Retry-After", ""), time.time())
    said = of_body(response.headers.get("Content-Type", ""), body)
    return AttemptResult(
        f"answered {status}", status, wait_s, unwanted=status in UNWANTED, said=said
    )


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


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    """How the body begins."""
    begins, size = bytearray(), 0
    async for piece in response.content.iter_any():
        begins += piece[: BODY_BYTES - len(begins)]
        size += len(piece)
        if size > ANSWER_BYTES:
            break
    return bytes(begins)
