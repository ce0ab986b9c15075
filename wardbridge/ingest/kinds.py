"""The kinds of feed at work: a module of this package for each that :mod:`wardbridge.config.kinds` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from adapters.common.revision import fingerprint
from wardbridge.config.kinds import ADAPTERS
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.kind import FeedKind


class _Kinds(Mapping[str, FeedKind[Any]]):
    """By the name in the configuration. A kind's module is read when it is asked for.

    So a process that works for some feeds reads no other adapter: half a second and 20 MB of the FHIR one's.
    """

    def __getitem__(self, name: str) -> FeedKind[Any]:
        kind: FeedKind[Any] = import_module(f"wardbridge.ingest.{ADAPTERS[name]}").KIND
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(ADAPTERS)

    def __len__(self) -> int:
        return len(ADAPTERS)


KINDS: Final[Mapping[str, FeedKind[Any]]] = _Kinds()


def fingerprint_of(feed: Feed, installation: Installation) -> str:
    """How the feed reads by the configuration."""
    kind = KINDS[feed.kind]
    profile, source = kind.reads_by(feed.settings), feed.identity.source
    return fingerprint(feed.kind, kind.rules, profile, installation.register, source)
