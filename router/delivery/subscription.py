"""Who wants to be told of what."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.notification import DesignationData, Kind


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber's choice. Without wards and hospitals it is all wards, without kinds all."""

    name: str
    wards: frozenset[str] = frozenset()
    hospitals: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()

    def wants(self, notice: DesignationData) -> bool:
        """Whether the subscriber is to be told."""
        anywhere = not (self.wards or self.hospitals)
        here = anywhere or notice.ward in self.wards or notice.hospital in self.hospitals
        return here and (not self.kinds or notice.kind in self.kinds)
