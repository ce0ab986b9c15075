"""Texts for failed attempts: the cause, without addresses or anything of the request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from router.delivery.addresses import NotAllowedError, Policy

WANTS_TLS: Final = "it speaks TLS at this port: set tls, or https"
SPEAKS_NO_TLS: Final = "it speaks no TLS at this port"
CLOSED: Final = "it closed the connection before the answer"
_PROBE_WITHIN_S: Final = 2.0
_SURE_AFTER: Final = 10
_ASKED_AGAIN_EACH: Final = 100
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
)
_PLAIN: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "nobody listens there",
    ConnectionResetError: CLOSED,
    BrokenPipeError: CLOSED,
    socket.gaierror: "its name cannot be looked up",
    TimeoutError: "no answer within the time limit",
}


def reason_of(error: BaseException) -> str:
    """Of an error of sockets or TLS; of any other its type."""
    if isinstance(error, NotAllowedError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return SPEAKS_NO_TLS if error.reason in _NO_TLS else f"TLS: {error.reason or 'failed'}"
    return _PLAIN.get(type(error), type(error).__name__)


class PlainPort:
    """A port that is spoken to without TLS and closes connections without a word: it may want TLS.

    The question costs a connection and up to two seconds, and the next notice waits meanwhile. So it is asked
    rarely: at the first such closing if the port has never answered, else at the tenth in a row, and then at
    every hundredth, for a port may be changed to TLS later.
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
        if self._closings == _SURE_AFTER or self._closings % _ASKED_AGAIN_EACH == 0:
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
