"""The public keys of an identity provider (JWKS, RFC 7517): fetched, cached, renewed.

They are fetched when first needed, again when they are old, and when a token names one that is not
among them, for providers change their keys without notice; but never more often than every
:data:`RETRY_S`, whatever tokens name. While the provider cannot be reached the old ones stay good for
:data:`STALE_S`. What it sends is bounded in size, number and time.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog

from adapters.common.calls import HttpRequest, NoAnswerError, whole
from wardbridge.net.calls import Calls

RETRY_S: Final = 10.0
"""Between two times that the keys are asked for, whatever keys tokens name."""

STALE_S: Final = 86_400.0
FETCH_WITHIN_S: Final = 5.0
MAX_BYTES: Final = 262_144
"""Of the key set of a sign-in service, read while it comes: real ones have 2,000 to 20,000."""

MAX_KEYS: Final = 100
"""Of a key set: each is parsed when the set is fetched, and real ones have 2 to 10."""

Jwk = Mapping[str, Any]
Fetch = Callable[[], Awaitable[bytes]]


class KeysUnavailableError(Exception):
    """There are no keys to check a signature with, now."""


class KeySet:
    """The provider's signing keys. ``clock`` tells seconds that never go back."""

    def __init__(self, fetch: Fetch, kept_s: float, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._kept_s = kept_s
        self._clock = clock
        self._keys: Mapping[str, Jwk] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._one_at_a_time = asyncio.Lock()

    async def named(self, kid: str) -> Jwk | None:
        """The key of this id; None where the provider has none. Raises KeysUnavailableError."""
        if kid not in self._keys or self._age() > self._kept_s:
            async with self._one_at_a_time:
                if self._may_try() and (kid not in self._keys or self._age() > self._kept_s):
                    await self._renew()
        if self._age() > STALE_S:
            raise KeysUnavailableError
        return self._keys.get(kid)

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= RETRY_S

    async def _renew(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = signing_keys(await self._fetch())
        except (NoAnswerError, ValueError) as error:
            reason = str(error)
            structlog.get_logger().warning("identity_provider_keys_not_fetched", reason=reason)
        else:
            self._fetched_at = self._clock()


def signing_keys(document: bytes) -> Mapping[str, Jwk]:
    """Those with an id that sign. Raises ValueError where it is no set of keys."""
    try:
        said = json.loads(document)
    except RecursionError:
        raise ValueError("levels without end") from None
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError("not a set of keys")
    return {
        key["kid"]: key
        for key in listed
        if isinstance(key, dict)
        and isinstance(key.get("kid"), str)
        and key.get("use", "sig") == "sig"
    }


def fetch_from(url: str, context: ssl.SSLContext | bool) -> Fetch:  # noqa: FBT001 - as aiohttp has it
    """Ask the address, follow it nowhere else, and take no more than the limit."""

    async def fetch() -> bytes:
        async with Calls(FETCH_WITHIN_S, context) as call, call(HttpRequest(url)) as incoming:
            if incoming.status != HTTPStatus.OK:
                raise ValueError(f"it answered {incoming.status}")
            return await whole(incoming, MAX_BYTES)

    return fetch
