"""Authenticates the caller of every route and checks the right that the route needs.

Everything that is not clearly allowed is refused. What is refused is told alike whether the ward
exists or not. A request shows one thing only: who sends a token is judged by it, whatever cookie or
certificate comes along; two tokens are none. A browser is held to pages of our own: a cookie or a
certificate goes along with whatever another site makes it send.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from adapters.common.tokens import Tokens, bearer_token, hash_of
from schemas.audit import Action
from wardbridge.config.authorisation import ANYBODY, NOBODY, Deed, Reader
from wardbridge.config.certificate import names_of
from wardbridge.net.connection import CERTIFICATE
from wardbridge.security.jwks import KeysUnavailableError
from wardbridge.security.oidc import Verifier
from wardbridge.security.refusals import Attempt, source_of
from wardbridge.security.route_rights import RULES
from wardbridge.security.session import COOKIE, Session, opened, sealed, verified

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Where the server puts a client's certificate (DER) into a request's state."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is known, by what they may show."""

    tokens: Mapping[str, tuple[bytes, Reader]]
    certificates: Mapping[str, Reader]
    verifier: Verifier | None
    session_days: int


class RefusedRequestError(HTTPException):
    """Refused; ``reader`` is who asked, as far as it is known."""

    reader: Reader = NOBODY


class Authenticator:
    """Lets requests in or refuses them; ``known`` None: nobody is asked.

    ``noted`` is told of each refusal and each sign-in; ``is_ward`` tells which wards the register has.
    """

    def __init__(
        self,
        known: Credentials | None,
        hospital_of: Callable[[str], str | None],
        now: Callable[[], datetime],
    ) -> None:
        self.noted: Callable[[Attempt], None] = lambda _: None
        self.is_ward: Callable[[str], bool] = lambda _: False
        self.refused: Counter[str] = Counter()
        self._known = known
        self._hospital_of = hospital_of
        self._now = now
        by_name = known.tokens if known else {}
        self._tokens = Tokens(by_name.values())
        self._hashes = {name: token_hash for name, (token_hash, _) in by_name.items()}

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked."""
        return self._known is None

    async def __call__(self, request: Request) -> int:
        """How many bytes the body of one let in may have; raises HTTPException. Nothing is read before."""
        try:
            return await self._asked(request)
        except RefusedRequestError as refused:
            self.note(request, Action.REFUSED, refused.status_code, refused.reader)
            raise

    def _note_refused(self, request: Request, status: int, ward: str) -> None:
        """A route has found a ward that who asks has no right to."""
        self.note(request, Action.REFUSED, status, request.state.reader, ward)

    def note(
        self, request: Request, action: Action, status: int, reader: Reader, ward: str = ""
    ) -> None:
        """Tell of a request whose answer is a refusal, or a sign-in."""
        ward = ward or request.path_params.get("ward", "")
        self.noted(
            Attempt(
                action,
                status,
                source_of(request.client.host if request.client else ""),
                f"{request.method} {request.scope['route'].path}",
                ward if self.is_ward(ward) else "",
                reader.name,
                reader.how if reader.name else "",
                reader.unit,
            )
        )

    async def _asked(self, request: Request) -> int:
        rule = RULES.get(f"{request.method} {request.scope['route'].path}")
        if rule is None:
            raise self._refusal(403, "there is no rule for this")
        if request.method not in SAFE_METHODS and is_from_another_site(request):
            raise self._refusal(403, "a page of another site asks for this")
        if rule.deed is not None:
            reader = ANYBODY if self._known is None else await self._who(request, self._known)
            self._check(reader, rule.deed, request.path_params.get("ward"))
            request.state.reader = reader
            request.state.note_refused = partial(self._note_refused, request)
        return rule.body_bytes

    def signed_in(self, request: Request, token: str) -> tuple[str, int]:
        """The cookie for a token, and its life in seconds. Raises HTTPException."""
        reader = self._tokens.holder(token)
        if self._known is None or reader is None:
            refused = self._refusal(401, "no token of ours")
            self.note(request, Action.SIGN_IN_REFUSED, refused.status_code, refused.reader)
            raise refused
        self.note(request, Action.SIGNED_IN, 204, reader)
        life = timedelta(days=self._known.session_days)
        cookie = sealed(Session(reader.name, self._now() + life), hash_of(token))
        return cookie, int(life.total_seconds())

    def _check(self, reader: Reader, deed: Deed, ward: str | None) -> None:
        if ward is None:
            is_allowed = reader.may(deed)
        else:
            is_allowed = reader.may_at(deed, ward, self._hospital_of(ward))
        if not is_allowed:
            at = "" if ward is None or not reader.may(deed) else ", of this ward"
            detail = f"not with the rights that were shown: it needs `{deed}`{at}"
            raise self._refusal(403, detail, reader)

    async def _who(self, request: Request, known: Credentials) -> Reader:
        shown = request.headers.getlist("authorization")
        if shown:
            reader = await self._by_token(shown, known)
        else:
            reader = self._by_cookie(request, known) or self._by_certificate(request, known)
        if reader is None:
            was = await self._who_was(request, shown, known)
            raise self._refusal(401, "show a token" if not shown else "no token of ours", was)
        return reader

    async def _who_was(self, request: Request, shown: list[str], known: Credentials) -> Reader:
        """Whom something names that was good once: to be noted, and nothing else."""
        token = bearer_token(shown[0]) if len(shown) == 1 else None
        if token is not None and known.verifier is not None:
            with contextlib.suppress(KeysUnavailableError):
                return Reader(await known.verifier.expired(token), "oidc", ())
        session = None if shown else verified(request.cookies.get(COOKIE, ""), self._hashes)
        return Reader(session.name, "session", ()) if session else NOBODY

    async def _by_token(self, shown: list[str], known: Credentials) -> Reader | None:
        token = bearer_token(shown[0]) if len(shown) == 1 else None
        if token is None:
            return None
        if (holder := self._tokens.holder(token)) is not None:
            return holder
        if known.verifier is None:
            return None
        try:
            return await known.verifier.reader(token)
        except KeysUnavailableError:
            detail = (
                "the identity provider's keys cannot be had: tokens of its own cannot be checked"
            )
            raise HTTPException(503, detail, {"Retry-After": "10"}) from None

    def _by_cookie(self, request: Request, known: Credentials) -> Reader | None:
        session = opened(request.cookies.get(COOKIE, ""), self._hashes, self._now())
        if session is None:
            return None
        _, reader = known.tokens[session.name]
        return replace(reader, how="session", until=session.until)

    @staticmethod
    def _by_certificate(request: Request, known: Credentials) -> Reader | None:
        certificate = getattr(request.state, CERTIFICATE, None)
        if certificate is None or not known.certificates:
            return None
        names = names_of(certificate)
        found = [reader for name, reader in known.certificates.items() if name in names]
        return found[0] if len(found) == 1 else None  # whose it is must be plain

    def _refusal(self, status: int, detail: str, reader: Reader = NOBODY) -> RefusedRequestError:
        self.refused[str(status)] += 1
        headers = {"WWW-Authenticate": 'Bearer realm="wardbridge"'} if status == 401 else None  # noqa: PLR2004
        refused = RefusedRequestError(status, detail, headers)
        refused.reader = reader
        return refused


def is_from_another_site(request: Request) -> bool:
    """Whether a browser says so (Fetch Metadata; RFC 6454, section 7). Others say nothing of it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _reader_of(request: Request) -> Reader:
    reader: Reader = request.state.reader
    return reader


Asking = Annotated[Reader, Depends(_reader_of)]
"""Who was let in. A route that the gate has not seen has none, and fails."""
