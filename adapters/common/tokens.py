"""Bearer tokens, for every port that asks for one (RFC 6750).

Invariant: of a token only its SHA-256 is kept, from the moment when the configuration is read. That
is enough where tokens are long and random; a comparison takes the same time whatever was shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BeforeValidator, Field

MIN_TOKEN_CHARS: Final = 16
_BEARER: Final = "bearer "
Holder = TypeVar("Holder")


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def _hashed(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) < MIN_TOKEN_CHARS or not value.isascii() or any(sign <= " " for sign in value):
        raise ValueError(
            f"a token has {MIN_TOKEN_CHARS} or more letters, digits and signs, without blanks"
        )
    return hash_of(value)


TokenHash = Annotated[bytes, BeforeValidator(_hashed), Field(repr=False)]
"""A key of the configuration that is given a token, and keeps its hash."""


class Tokens(Generic[Holder]):
    """Who holds which token."""

    def __init__(self, known: Iterable[tuple[bytes, Holder]]) -> None:
        self._known = tuple(known)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def holder(self, token: str) -> Holder | None:
        """Whose it is."""
        shown = hash_of(token)
        found = [holder for known, holder in self._known if compare_digest(known, shown)]
        return found[0] if found else None


def bearer_token(authorization: str) -> str | None:
    """The token that the header ``Authorization`` shows; None where it shows another thing."""
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip()
