"""Calls over HTTP: one client for all that this service asks of others.

It follows no redirect, keeps no cookies, asks no proxy of the environment, unpacks nothing, and connects to no
address that its policy forbids, whatever a name leads to. It is aiohttp: on one core it posts 5,700 notices a
second, where httpx posts 300.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

import aiohttp

from router.delivery.addresses import NotAllowedError, Policy

USER_AGENT: Final = "wardbridge"
WANTS_TLS: Final = "it speaks TLS at this port: set tls, or https"
SPEAKS_NO_TLS: Final = "it speaks no TLS at this port"
CLOSED: Final = "it closed the connection before the answer"
_PROBE_WITHIN_S: Final = 2.0
_SURE_AFTER: Final = 10


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
    """Why there is no answer: what operations need to mend it, and nothing of the request or of an address."""
    known = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(known, NotAllowedError):
        return str(known)
    if isinstance(known, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {known.verify_message}"
    if isinstance(known, ssl.SSLError):
        return SPEAKS_NO_TLS if known.reason in _NO_TLS else f"TLS: {known.reason or 'failed'}"
    return _PLAIN.get(type(known), type(known).__name__)


class PlainPort:
    """A port that is spoken to without TLS and closes connections without a word: it may want TLS.

    Asking is a connection and up to two seconds, which the next notice waits for. So it is asked once: at
    the first such closing where there never was an answer, else at the tenth in a row.
    """

    def __init__(self, policy: Policy, host: str, port: int) -> None:
        self._policy = policy
        self._host = host
        self._port = port
        self._closings = _SURE_AFTER - 1
        self._wants_tls = False

    def answered(self) -> None:
        """It has answered something: it does speak as it is spoken to."""
        self._closings = 0
        self._wants_tls = False

    async def explained(self, refusal: str) -> str:
        """What is told of an attempt without answer."""
        if refusal != CLOSED:
            return refusal
        self._closings += 1
        if self._closings == _SURE_AFTER:
            self._wants_tls = await _speaks_tls(self._policy, self._host, self._port)
        return WANTS_TLS if self._wants_tls else refusal


async def _speaks_tls(policy: Policy, host: str, port: int) -> bool:
    """Whether a greeting of TLS is answered; the connection is left at once."""
    greeting = ssl.create_default_context()
    greeting.check_hostname, greeting.verify_mode = False, ssl.CERT_NONE  # nothing is told
    try:
        async with asyncio.timeout(_PROBE_WITHIN_S):
            connected = await policy.connected(host, port)
            _, writer = await asyncio.open_connection(
                sock=connected, ssl=greeting, server_hostname=host
            )
    except (OSError, ValueError):  # TimeoutError and ssl.SSLError are OSErrors
        return False
    writer.transport.abort()
    return True


_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
)
_PLAIN: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "nobody listens there",
    ConnectionResetError: CLOSED,
    BrokenPipeError: CLOSED,
    aiohttp.ServerDisconnectedError: CLOSED,
    aiohttp.ClientOSError: CLOSED,
    aiohttp.ClientPayloadError: "its answer breaks off",
    socket.gaierror: "its name cannot be looked up",
    aiohttp.ClientConnectorDNSError: "its name cannot be looked up",
    TimeoutError: "no answer within the time limit",
}
