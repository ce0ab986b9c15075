"""Authority: which source is believed for a ward at a time.

A timeline is one value (so compaction cannot lose today's entry for tomorrow's). For a ward at a
time the latest entry that is in effect wins, ward entries over hospital entries over the realm's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.base import Frozen, OwnClock, Utc

Scope = Literal["ward", "hospital", "realm"]
_NARROWEST_FIRST: tuple[Scope, ...] = ("ward", "hospital", "realm")


class AuthorityEntry(Frozen):
    """From ``effective_at`` on (None: since ever) ``source`` is believed for the named scope."""

    scope: Scope
    name: str = Field("", description="ward id or hospital; empty for the realm")
    source: str
    effective_at: Utc | None = None


class Authority(Frozen):
    """A realm's whole timeline. Topic ``authority``. Later entries win over equal times."""

    type: Literal["authority"] = "authority"
    version: Literal[1] = 1
    realm: str
    entries: tuple[AuthorityEntry, ...]

    def believed(self, ward: str, hospital: str | None, at: datetime | None) -> str | None:
        """The source believed for the ward at ``at`` (None: before any tick), or None."""
        names = {"ward": ward, "hospital": hospital, "realm": ""}
        for scope in _NARROWEST_FIRST:
            winner = self._latest(scope, names[scope], at)
            if winner is not None:
                return winner.source
        return None

    def _latest(self, scope: Scope, name: str | None, at: datetime | None) -> AuthorityEntry | None:
        winner: AuthorityEntry | None = None
        for entry in self.entries:
            if (entry.scope, entry.name) != (scope, name) or not _in_effect(entry, at):
                continue
            if winner is None or _since(entry) >= _since(winner):
                winner = entry
        return winner


def _in_effect(entry: AuthorityEntry, at: datetime | None) -> bool:
    return entry.effective_at is None or (at is not None and entry.effective_at <= at)


def _since(entry: AuthorityEntry) -> float:
    return float("-inf") if entry.effective_at is None else entry.effective_at.timestamp()


class Tick(Frozen):
    """What time it is, for the realm. Topic ``ticks``."""

    type: Literal["tick"] = "tick"
    version: Literal[1] = 1
    realm: str
    at: OwnClock
    interval_s: float = Field(
        10.0, gt=0, le=86_400, allow_inf_nan=False, description="how often time is told, about"
    )
