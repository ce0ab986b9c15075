"""Standard Webhooks signatures (Standard Webhooks specification 1.0.0, "Signature scheme")."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST_BYTES, LONGEST_BYTES = 24, 64
NEW_SECRET_BYTES: Final = 32


class SecretFormatError(ValueError):
    """Not a secret; the text says what one looks like and never quotes it."""


def secret_of(text: str) -> bytes:
    """The key in ``whsec_<base64>``. Raises SecretFormatError."""
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except ValueError:  # binascii.Error is one; so is what is not ASCII
        key = b""
    if not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise SecretFormatError(
            f"a webhook secret is {PREFIX} and {SHORTEST_BYTES} to {LONGEST_BYTES} bytes in base64"
        )
    return key


def new_secret() -> str:
    """One that nobody else has."""
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


def signed(keys: Sequence[bytes], event: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers; one signature for each key, so that a receiver may hold any of them."""
    content = f"{event}.{at_s}.".encode() + body
    return {
        "webhook-id": event,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{_mac(key, content)}" for key in keys),
    }


def _mac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode("ascii")
