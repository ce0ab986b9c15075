"""Keyed hashes: keys for patients and inputs that contain no personal number.

A patient key is BLAKE2b (RFC 7693), keyed with the installation's secret, over the identifier's
kind, assigner and value, so that two sources that know a patient by the same national number agree, and
nobody without the secret can test a number against a key. A number whose assigner nobody names is its
source's: ``4711`` of one source and ``4711`` of another are two people.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b, sha256

from schemas.identifiers import OID_OF, IdentifierKind
from schemas.observation import PatientIdentifier, RawPointer

KEY_BYTES = 16
MAX_SECRET_BYTES = 64  # BLAKE2b's longest key


class PatientKeyer:
    """Makes patient keys with one secret (1 to 64 bytes); raises ValueError for any other."""

    def __init__(self, secret: bytes) -> None:
        if not 1 <= len(secret) <= MAX_SECRET_BYTES:
            raise ValueError(f"a patient key secret has 1 to {MAX_SECRET_BYTES} bytes")
        self._secret = secret

    @property
    def check(self) -> str:
        """Tells this secret from another one, and nothing of it to whoever does not know it."""
        return self.hash("check")

    def of(self, source: str) -> SourceKeyer:
        """What makes the keys of the numbers that one source gives."""
        return SourceKeyer(self, source)

    def hash(self, *parts: str) -> str:
        """Hex of the keyed hash over the parts, unambiguous about where each ends."""
        joined = "\x00".join(parts).encode()
        return blake2b(joined, digest_size=KEY_BYTES, key=self._secret).hexdigest()


class SourceKeyer:
    """Makes the patient keys of one source's numbers."""

    def __init__(self, keyer: PatientKeyer, source: str) -> None:
        self._keyer = keyer
        self._namespace = f"source:{source}"

    def key(self, identifier: PatientIdentifier) -> str:
        """The patient key of one identifier.

        A national number needs no assigner to be unique. Any other is unique among its assigner's, or
        among the source's where nobody names the assigner. A national assigner is one by OID and by URI.
        """
        assigner = ""
        if identifier.kind in (IdentifierKind.LOCAL, IdentifierKind.UNCERTAIN):
            named = identifier.assigner or self._namespace
            assigner = OID_OF.get(named, named)
        return self._keyer.hash("patient", identifier.kind, assigner, identifier.value)


def raw_pointer(
    payload: bytes, received_at: datetime, feed: str, *, name: str | None = None, index: int = 0
) -> RawPointer:
    """The pointer to a raw record; its id differs for every receipt, even of the same bytes."""
    digest = sha256(payload).hexdigest()
    receipt = f"{feed}\x00{received_at.timestamp():.6f}\x00{index}\x00{digest}".encode()
    return RawPointer(
        id=blake2b(receipt, digest_size=KEY_BYTES).hexdigest(),
        sha256=digest,
        size=len(payload),
        name=name,
        index=index,
    )
