"""The authority timeline at one moment: which source is believed for a ward.

Equal, ward by ward, to :meth:`schemas.authority.Authority.believed`; made again only when a new
timeline arrives or a tick passes the next moment at which an entry takes effect.
"""

from __future__ import annotations

from datetime import datetime

from schemas.authority import Authority, AuthorityEntry


class EffectiveAuthority:
    """The timeline as it stands at ``at`` (None: before any tick)."""

    def __init__(self, authority: Authority | None, at: datetime | None) -> None:
        entries = authority.entries if authority else ()
        self._winners: dict[tuple[str, str], str] = {}
        for entry in sorted(entries, key=_since):  # stable: of equal times the later entry wins
            if _in_effect(entry, at):
                self._winners[entry.scope, entry.name] = entry.source
        ahead = (e.effective_at for e in entries if not _in_effect(e, at))
        self.until = min((moment for moment in ahead if moment is not None), default=None)

    def source(self, ward: str, hospital: str | None) -> str | None:
        """The source believed for the ward: its own entry, its hospital's, the realm's."""
        winners = self._winners
        return (
            winners.get(("ward", ward))
            or winners.get(("hospital", hospital or ""))
            or winners.get(("realm", ""))
        )

    def holds_at(self, at: datetime) -> bool:
        """Whether nothing takes effect up to ``at``."""
        return self.until is None or at < self.until


def _since(entry: AuthorityEntry) -> float:
    return float("-inf") if entry.effective_at is None else entry.effective_at.timestamp()


def _in_effect(entry: AuthorityEntry, at: datetime | None) -> bool:
    return entry.effective_at is None or (at is not None and entry.effective_at <= at)
