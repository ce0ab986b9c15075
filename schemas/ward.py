"""The ward register: the only place where a ward code is resolved.

A register is closed (only what it lists exists) or open (each code stands for itself: for the
lab and for looking at foreign messages only). Codes compare without case and surrounding blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from schemas.base import Frozen

CareType = Literal["somatic", "psychiatric", "technical", "emergency", "other"]


class Ward(Frozen):
    """One care unit. ``aliases`` are the codes each source uses for it."""

    type: Literal["ward"] = "ward"
    version: Literal[1] = 1
    id: str = Field(description="HSA-id, or the installation's own code")
    name: str
    hospital: str
    care_type: CareType = "somatic"
    places: int | None = Field(
        None, ge=0, description="available places (disponibla vårdplatser); none: not told"
    )
    aliases: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


def _folded(code: str) -> str:
    return code.strip().casefold()


class WardRegister:
    """Resolves (source, code) to a ward id. Raises ValueError where two wards share a code."""

    def __init__(self, wards: Iterable[Ward] = (), *, open_register: bool = False) -> None:
        self.wards: dict[str, Ward] = {}
        self.is_open = open_register
        self._by_id: dict[str, str] = {}
        self._by_alias: dict[tuple[str, str], str] = {}
        for ward in wards:
            self._add(ward)

    def _add(self, ward: Ward) -> None:
        if self._by_id.setdefault(_folded(ward.id), ward.id) != ward.id or ward.id in self.wards:
            raise ValueError(f"ward {ward.id!r} is listed twice")
        self.wards[ward.id] = ward
        for source, codes in ward.aliases.items():
            for code in codes:
                other = self._by_alias.setdefault((source, _folded(code)), ward.id)
                if other != ward.id:
                    raise ValueError(
                        f"code {code!r} of source {source!r} names both {other!r} and {ward.id!r}"
                    )

    def resolve(self, source: str, code: str) -> str | None:
        """The ward id for a source's code (alias first, then the id itself), or None."""
        folded = _folded(code)
        if not folded:
            return None
        found = self._by_alias.get((source, folded)) or self._by_id.get(folded)
        return found or (code.strip() if self.is_open else None)

    def hospital_of(self, ward: str) -> str | None:
        """The hospital of a ward id; None for a ward of an open register."""
        known = self.wards.get(ward)
        return known.hospital if known else None
