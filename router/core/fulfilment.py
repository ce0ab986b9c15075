"""When a designation is fulfilled: the patient lies on the ward, or the ward is responsible.

A hospital's choice (DESIGN section 5). By place an outlier is still awaited by the ward that should
pull them home; by responsibility the ward has them as soon as the source says so, wherever they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

FulfilledBy = Literal["place", "responsible"]


class Fulfilment(NamedTuple):
    """The realm's choice, and that of each ward whose hospital chose for itself."""

    realm: FulfilledBy = "place"
    wards: Mapping[str, FulfilledBy] = MappingProxyType({})

    def by(self, ward: str) -> FulfilledBy:
        """What fulfils a mark for the ward."""
        return self.wards.get(ward, self.realm)


BY_PLACE: Final = Fulfilment()
ALL_BY_PLACE: Final[Mapping[str, Fulfilment]] = MappingProxyType({})
"""By realm, where no realm chose otherwise."""
