"""The settings of an Elvis feed, as the configuration registers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.common.configured import ExclusiveResource, SettingsKind
from adapters.common.door import Door
from adapters.common.feed import FeedIdentity
from adapters.elvis import settings_checks
from adapters.elvis.settings import ElvisSettings


def _holds(identity: FeedIdentity, settings: ElvisSettings) -> Iterator[ExclusiveResource]:
    yield ExclusiveResource(
        f"directory {settings.directory}", "give each feed a directory of its own"
    )
    yield ExclusiveResource(
        f"the exports of source {identity.source!r} in realm {identity.realm!r}",
        "a patient is gone when every scope lacks them, and a feed knows its own scopes only; name "
        "all scopes of the source in one feed, and let its directory collect the files of all",
    )


def _doors(settings: ElvisSettings) -> Iterator[Door]:
    yield Door(
        ("directory",), "exports", "in", str(settings.directory), "whoever may write there", "files"
    )


CONFIGURED: Final = SettingsKind(
    settings=ElvisSettings,
    holds=_holds,
    doors=_doors,
    doubts=settings_checks.doubts,
    is_alone=lambda _settings: True,  # a share hangs, and so may a commit
)
