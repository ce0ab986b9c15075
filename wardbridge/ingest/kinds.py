"""The kinds of feed at work: a module of this package for each that :mod:`wardbridge.config.kinds` names."""

from __future__ import annotations

from typing import Any, Final

from adapters.common.revision import fingerprint
from wardbridge.config.kinds import OfEachAdapter
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.kind import FeedKind

KINDS: Final = OfEachAdapter[FeedKind[Any]]("wardbridge.ingest.{}", "KIND")


def fingerprint_of(feed: Feed, installation: Installation) -> str:
    """How the feed reads by the configuration."""
    kind = KINDS[feed.kind]
    profile, source = kind.reads_by(feed.settings), feed.identity.source
    return fingerprint(feed.kind, kind.rules, profile, installation.register, source)
