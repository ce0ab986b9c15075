"""Authorisation: which deeds a caller may do, at which wards, with which level of fields. Pure.

Invariant: rights only ever come from grants. A reader without a grant for a ward may nothing there,
and what one grant gives at a ward says nothing about another ward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from schemas.fields import LEVELS, Level

Deed = Literal["read", "acknowledge", "metrics", "subscribe", "operate", "inspect"]
How = Literal["nobody-asked", "token", "session", "certificate", "oidc"]
NOBODY_ASKED: Final[How] = "nobody-asked"
EVERYWHERE: Final[frozenset[Deed]] = frozenset({"operate", "inspect"})
"""They reach every ward."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Some deeds at some wards, up to a level. Without wards and hospitals it is every ward."""

    wards: frozenset[str] = frozenset()
    hospitals: frozenset[str] = frozenset()
    fields: Level = "minimal"
    may: frozenset[Deed] = frozenset()

    def covers(self, ward: str, hospital: str | None) -> bool:
        """Whether the ward is among those granted."""
        anywhere = not (self.wards or self.hospitals)
        return anywhere or ward in self.wards or hospital in self.hospitals


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks. ``until``: then their right ends, also that of a stream which is open."""

    name: str
    how: How
    grants: tuple[Grant, ...]
    unit: str = ""
    until: datetime | None = None

    def may(self, deed: Deed) -> bool:
        """Whether they may do it at all: for what is nobody's ward."""
        return any(deed in grant.may for grant in self.grants)

    def may_at(self, deed: Deed, ward: str, hospital: str | None) -> bool:
        """Whether they may do it at the ward."""
        return any(deed in grant.may for grant in self._at(ward, hospital))

    def level_at(self, ward: str, hospital: str | None) -> Level:
        """How much they see at a ward that they may read."""
        levels = [g.fields for g in self._at(ward, hospital) if "read" in g.may]
        return max(levels, key=LEVELS.index, default="minimal")

    def _at(self, ward: str, hospital: str | None) -> list[Grant]:
        return [grant for grant in self.grants if grant.covers(ward, hospital)]


NOBODY: Final = Reader("", NOBODY_ASKED, ())
"""Of whom nothing is known, and who may nothing."""

ANYBODY: Final = Reader("", NOBODY_ASKED, (Grant(may=frozenset(get_args(Deed)) - {"inspect"}),))
"""Whoever reaches a port where nobody is asked: everything, in minimal fields, and no source's bytes."""
