"""The registry of adapters: which kinds of feed there are. A new source is one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from adapters.common.revision import fingerprint
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.kind import FeedKind

_MODULES: Final = {
    "hl7v2-mllp": "wardbridge.ingest.hl7v2",
    "elvis-directory": "wardbridge.ingest.elvis",
    "fhir": "wardbridge.ingest.fhir",
}


class _Kinds(Mapping[str, FeedKind[Any]]):
    """By the name in the configuration. A kind's module is read when it is asked for.

    So a process that works for some feeds reads no other adapter: half a second and 20 MB of the FHIR one's.
    """

    def __getitem__(self, name: str) -> FeedKind[Any]:
        kind: FeedKind[Any] = import_module(_MODULES[name]).KIND
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KINDS: Final[Mapping[str, FeedKind[Any]]] = _Kinds()


def fingerprint_of(feed: Feed, installation: Installation) -> str:
    """How the feed reads by the configuration."""
    kind = KINDS[feed.kind]
    profile, source = kind.reads_by(feed.settings), feed.identity.source
    return fingerprint(feed.kind, kind.rules, profile, installation.register, source)
