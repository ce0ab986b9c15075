"""The registry of adapters: which kinds of feed there are. A new source is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from wardbridge.feeds import elvis, fhir, hl7v2
from wardbridge.feeds.kind import FeedKind

KINDS: Final[Mapping[str, FeedKind[Any]]] = MappingProxyType(
    {
        "hl7v2-mllp": hl7v2.KIND,
        "elvis-directory": elvis.KIND,
        "fhir": fhir.KIND,
    }
)
