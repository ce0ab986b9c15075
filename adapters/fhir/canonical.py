"""Canonical JSON: equal for equal content, as identities are hashes of it."""

from __future__ import annotations

import json
from typing import Final

from adapters.fhir.names import Object

_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
)


def canonical(resource: Object) -> bytes:
    """The same for the same content, whatever the order of keys and the blanks between."""
    return _CANONICAL.encode(resource).encode("utf-8", "surrogatepass")
