"""Encrypts secrets of registrations with a key that is not in the log.

AES-256-GCM, a random nonce each time, the subscriber's name as what is authenticated besides: what was
sealed for one name opens as no other's, so an address cannot be put under another's keys. The key is a
file, made at the first registration, readable by its owner only; every process of the installation needs
the same one.
"""

from __future__ import annotations

import base64
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wardbridge.config.models import SEAL_NAME
from wardbridge.security.secret import RESTORE, made_once

_NONCE_BYTES: Final = 12
_SHORTEST: Final = 32
_FIELD: Final = "wardbridge registration"


class SealError(Exception):
    """It cannot be sealed or opened; the message says what to do, and nothing of what is inside."""


class Seal:
    """Seals and opens. The file is read when it is first needed: most installations never do."""

    def __init__(self, data: Path, configured: Path | None) -> None:
        self._path = data / (configured or SEAL_NAME)
        self._may_be_made = configured is None
        self._cipher: AESGCM | None = None

    def make(self) -> None:
        """See to it that there is a key; only where nothing is sealed yet. Raises SealError."""
        if self._may_be_made and not self._path.exists():
            try:
                made_once(self._path)
            except OSError as error:
                raise SealError(f"{self._path} cannot be written: {error.strerror}") from None

    def closed(self, name: str, text: bytes) -> str:
        """Sealed for one name. Raises SealError."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._key().encrypt(nonce, text, self._bound_to(name))
        return base64.b64encode(nonce + sealed).decode()

    def opened(self, name: str, sealed: str) -> bytes:
        """What was sealed for this name. Raises SealError."""
        key = self._key()
        try:
            whole = base64.b64decode(sealed, validate=True)
            return key.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], self._bound_to(name))
        except (InvalidTag, ValueError):
            detail = f"{self._path} is not the key that {name} was sealed with: {RESTORE}, or register it anew"
            raise SealError(detail) from None

    def _key(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(sha256(self._content()).digest())
        return self._cipher

    def _content(self) -> bytes:
        try:
            content = self._path.read_bytes().strip()
        except OSError as error:
            detail = f"{self._path}: {error.strerror}: {RESTORE}"
            raise SealError(detail) from None
        if len(content) < _SHORTEST:
            detail = f"{self._path} is too short for a key: {RESTORE}"
            raise SealError(detail)
        return content

    @staticmethod
    def _bound_to(name: str) -> bytes:
        return f"{_FIELD}\n{name}".encode()
