"""SMART backend services: obtains an access token with a signed assertion.

Source: SMART App Launch 2.2.0, "Backend Services" and "Client Authentication: Asymmetric". The
assertion lives for five minutes at most and is never used twice; a token is asked for anew a
minute before it ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import jwt

from adapters.common.calls import Call, HttpRequest, TooLongError, whole
from adapters.fhir.remote import Backend

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIVES: Final = timedelta(minutes=4)
RENEW_BEFORE: Final = timedelta(minutes=1)
USUAL_LIFE_S: Final = 300  # where the server does not say: the longest that SMART recommends


MAX_BYTES: Final = 65_536
"""Of a token endpoint's answer, read while it comes: a token of 16 kB, the largest that servers take, has room."""


class GrantError(Exception):
    """What the token endpoint answers is no token; the text never has its content."""


class BackendToken:
    """The token of one client at one server."""

    def __init__(
        self,
        backend: Backend,
        key: bytes,
        call: Call,
        now: Callable[[], datetime],
        number: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._backend = backend
        self._key = key
        self._call = call
        self._now = now
        self._number = number
        self._token = ""
        self._until: datetime | None = None

    async def token(self) -> str:
        """A token that is good for now. Raises GrantError or NoAnswerError where none is had."""
        now = self._now()
        if self._until is None or now >= self._until - RENEW_BEFORE:
            await self._renew(now)
        return self._token

    def forget(self) -> None:
        """The server did not take it: ask for another."""
        self._until = None

    async def _renew(self, now: datetime) -> None:
        form = {
            "grant_type": "client_credentials",
            "scope": self._backend.scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(now),
        }
        body = await self._answer(HttpRequest(self._backend.token_url, "POST", body=form))
        try:
            said: dict[str, Any] = json.loads(body)
            token, lives_s = said["access_token"], float(said.get("expires_in", USUAL_LIFE_S))
            self._until = now + timedelta(seconds=lives_s)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            raise GrantError("the answer of the token endpoint is no token") from None
        self._token = str(token)

    async def _answer(self, asked: HttpRequest) -> bytes:
        try:
            async with self._call(asked) as response:
                if response.status != HTTPStatus.OK:
                    raise GrantError(f"the token endpoint: status {response.status}")
                return await whole(response, MAX_BYTES)
        except TooLongError:
            raise GrantError("the answer of the token endpoint is no token") from None

    def assertion(self, now: datetime) -> str:
        """Who we are, signed."""
        backend = self._backend
        claims = {
            "iss": backend.client_id,
            "sub": backend.client_id,
            "aud": backend.token_url,
            "exp": now + ASSERTION_LIVES,
            "iat": now,
            "jti": self._number(),
        }
        headers = {"kid": backend.key_id, "typ": "JWT"}
        return jwt.encode(claims, self._key, algorithm=backend.algorithm, headers=headers)
