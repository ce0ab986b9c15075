"""Verifies JSON Web Tokens of an identity provider (OpenID Connect Core 1.0; RFC 7519, 8725).

A token counts only if it is signed with a key of the provider, by an algorithm that is configured (none
of them symmetric) and that the key is for; if issuer and audience are ours and it has not expired. What
its bearer may comes from the configured roles alone: a token without any of them may nothing.

Reading a token is total: whatever it holds, it is a reader or None. The library lets some of what it reads
through as other errors than its own (a time of infinity, levels without end), and takes numbers as times that
are none (PyJWT issue 1171).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import jwt

from wardbridge.config.authorisation import EVERYWHERE, Grant, Reader
from wardbridge.security.jwks import Jwk, KeySet

MAX_CHARS: Final = 8_192
"""Of a token that is looked into: real ones have 1,000 to 3,000, and a longer one costs before it is refused."""

MAX_LIFE: Final = timedelta(days=1)
"""However long a token says that it lives: then a stream that it opened ends."""

LAST_TIME: Final = 253_402_300_799
"""The last second of the year 9999: a later time is none (RFC 7519, section 2, NumericDate)."""

MAX_NAME_CHARS: Final = 256
"""Of a name or a unit: it goes into the audit with each entry."""

_TIMES: Final = ("exp", "nbf", "iat")
_UNREADABLE: Final = (
    jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Provider:
    """What is asked of a token, and what its roles may."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_s: float
    name_claim: str
    unit_claim: str | None
    roles_claim: str
    wards_claim: str | None
    roles: Mapping[str, Grant]


class Verifier:
    """Turns tokens of one provider into readers."""

    def __init__(
        self,
        provider: Provider,
        keys: KeySet,
        hospital_of: Callable[[str], str | None],
        now: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._keys = keys
        self._hospital_of = hospital_of
        self._now = now

    async def reader(self, token: str) -> Reader | None:
        """Who shows it; None where it is not good. Raises KeysUnavailableError."""
        try:
            header = jwt.get_unverified_header(token) if len(token) <= MAX_CHARS else {}
            key = await self._key(header)
            claims = self._claims(token, header, key) if key else None
        except _UNREADABLE:
            return None
        return self._reader(claims) if claims is not None and _has_times(claims) else None

    async def expired(self, token: str) -> str:
        """Whom a token names that was good once; empty where it never was. Raises KeysUnavailableError."""
        try:
            header = jwt.get_unverified_header(token) if len(token) <= MAX_CHARS else {}
            key = await self._key(header)
            claims = self._claims(token, header, key, is_past=True) if key else None
            return _name(claims.get(self._provider.name_claim)) if claims else ""
        except _UNREADABLE:
            return ""

    async def _key(self, header: Claims) -> Jwk | None:
        """Only once the algorithm is one of ours is anybody asked for a key."""
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(kid, str) or algorithm not in self._provider.algorithms:
            return None
        return await self._keys.named(kid)

    def _claims(
        self, token: str, header: Claims, key: Jwk, *, is_past: bool = False
    ) -> Claims | None:
        algorithm = header["alg"]
        if key.get("alg", algorithm) != algorithm:
            return None
        provider = self._provider
        return jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm),
            algorithms=list(provider.algorithms),
            audience=provider.audience,
            issuer=provider.issuer,
            leeway=provider.leeway_s,
            options={
                "require": ["exp", "iss", "aud"],
                "verify_exp": not is_past,
                "enforce_minimum_key_length": True,  # RFC 7518, section 3.3
            },
        )

    def _reader(self, claims: Claims) -> Reader | None:
        provider = self._provider
        name = _name(claims.get(provider.name_claim))
        if not name:
            return None
        unit = _name(claims.get(provider.unit_claim)) if provider.unit_claim else ""
        roles = texts(found(claims, provider.roles_claim))
        granted = [provider.roles[role] for role in roles if role in provider.roles]
        if provider.wards_claim is not None:
            wards = texts(found(claims, provider.wards_claim))
            granted = [each for grant in granted for each in self._narrowed(grant, wards)]
        return Reader(name, "oidc", tuple(granted), unit, self._until(claims))

    def _narrowed(self, grant: Grant, claimed: Iterable[str]) -> list[Grant]:
        """The grant at the wards claimed; none where it covers none, for no wards would mean all."""
        wards = frozenset(w for w in claimed if grant.covers(w, self._hospital_of(w)))
        may = grant.may - EVERYWHERE
        return [replace(grant, wards=wards, hospitals=frozenset(), may=may)] if wards else []

    def _until(self, claims: Claims) -> datetime:
        longest = self._now() + MAX_LIFE
        expires = min(float(claims["exp"]) + self._provider.leeway_s, longest.timestamp())
        return datetime.fromtimestamp(expires, UTC)


def _has_times(claims: Claims) -> bool:
    """Whether what it says of times is such: a number, of some second up to :data:`LAST_TIME`."""
    return all(_is_time(claims[name]) for name in _TIMES if name in claims)


def _is_time(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= cast("float", value) <= LAST_TIME


def _name(value: object) -> str:
    """A name that can be written down; empty where it is none."""
    is_name = isinstance(value, str) and len(value) <= MAX_NAME_CHARS and value.isprintable()
    return cast("str", value) if is_name else ""


def found(claims: Claims, name: str) -> object:
    """A claim by its name, or by a path with dots into objects."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def texts(value: object) -> list[str]:
    """One text or a list of them; whatever else a claim holds says nothing."""
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str) and each]
