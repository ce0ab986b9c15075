"""One HTTP POST to a subscriber, and what its answer means; whatever the body is.

Any 2xx is a yes, 410 ends the endpoint, everything else is tried again (Standard Webhooks 1.0.0,
"Responses"); redirects are not followed. The address is looked at anew with each connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from router.delivery.addresses import address_of, check_literal
from router.delivery.channel import Answer

ANSWER_BYTES: Final = 65_536
"""Read of an answer, so that the connection can serve again; nobody looks at it."""
LONGEST_RETRY_AFTER_S: Final = 3_600.0
UNWANTED: Final = frozenset({400, 413, 415, 422})
"""Answers that are about the body (RFC 9110, section 15.5), not about who or when."""
ENDPOINT_DIGITS: Final = 16  # of its hash: an address may hold a token, and the state is kept


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, and on which terms."""

    url: str
    timeout_s: float = 10.0
    allow_private: bool = False

    def named(self, revision: int = 0) -> str:
        """What changes with the address, and with the revision, and tells neither."""
        text = f"{self.url}#{revision}" if revision else self.url
        return hashlib.sha256(text.encode()).hexdigest()[:ENDPOINT_DIGITS]


class Poster:
    """Posts to one address, over connections that are kept."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as aiohttp calls it
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._terms = address
        self._host = urlsplit(address.url).hostname or ""
        self._tls = tls
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one attempt, within the time limit however slowly the other side answers."""
        try:
            async with asyncio.timeout(self._terms.timeout_s):
                return await self._post(body, headers)
        except TimeoutError:
            return Answer("no answer within the time limit")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(_text(error))
        except ValueError as error:  # the client will not have it; its text may quote the address
            return Answer(f"{type(error).__name__}: no such request can be made")

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._session is None:  # made in the event loop that it works in
            self._session = _session(self._tls, _Checked(allow_private=self._terms.allow_private))
        check_literal(self._host, allow_private=self._terms.allow_private)
        async with self._session.post(
            self._terms.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            await _read_some(response)
            return self._judge(response)

    def _judge(self, response: aiohttp.ClientResponse) -> Answer:
        status = response.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(status=status)
        if status == HTTPStatus.GONE:
            return Answer("410 Gone", status, gone=True)
        wait_s = retry_after_s(response.headers.get("Retry-After", ""), self._clock())
        return Answer(f"answered {status}", status, wait_s, unwanted=status in UNWANTED)


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


class _Checked(AbstractResolver):
    """Asked for the name at each new connection: it is made to the address that was looked at."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """One address of the host, whichever ``family``. Raises OSError."""
        del family
        address = await address_of(host, port, allow_private=self._allow_private)
        of = socket.AF_INET6 if ":" in address else socket.AF_INET
        numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(
            hostname=host, host=address, port=port, family=of, proto=0, flags=numeric
        )]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held."""


def _session(tls: ssl.SSLContext | bool, resolver: AbstractResolver) -> aiohttp.ClientSession:  # noqa: FBT001
    """Without what a client for people has: cookies, proxies of the environment, unpacking."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, resolver=resolver, use_dns_cache=False),
        headers={"User-Agent": "wardbridge"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # the attempt's own
        auto_decompress=False,
    )


def _text(error: Exception) -> str:
    """The error's text: about addresses and protocol, never the notice."""
    known = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return f"{type(known).__name__}: {str(known) or 'no more is known'}"


async def _read_some(response: aiohttp.ClientResponse) -> None:
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > ANSWER_BYTES:
            return
