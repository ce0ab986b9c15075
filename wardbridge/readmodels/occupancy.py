"""Free places of a ward: those of the register less those that are occupied or kept.

Invariants: one function gives the numbers, for the list, the stream and the board. What is not known is
none, never nought. Fewer than none are free where a ward is overcrowded. It names nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field

from schemas.base import Frozen, Utc
from schemas.ward import WardRegister
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.census import Census


class Occupancy(Frozen):
    """A ward's places, now."""

    ward: str
    places: int | None = Field(description="available places by the ward register; none: not told")
    occupied: int | None = Field(
        description="held by a patient, on leave or not; none: no believed source says who lies where"
    )
    free: int | None = Field(
        description="`places` less `occupied`: negative where overcrowded, none where either is none"
    )
    on_leave: int | None = Field(description="of those occupied")
    leaving_today: int | None = Field(
        description="of those occupied: planned to leave before the next midnight, or overdue"
    )
    on_the_way: int = Field(description="to the ward, and not there yet")
    told_at: Utc | None = Field(description="when the source last said anything, of whomever")

    def says_otherwise_than(self, other: Occupancy | None) -> bool:
        """Whether a number differs; that the source has spoken since is no difference."""
        return other is None or self.model_copy(update={"told_at": other.told_at}) != other


Occupancies = Callable[[str], Occupancy]
"""Of a ward, now."""


def occupancies(
    board: Board,
    census: Census,
    register: WardRegister,
    now: Callable[[], datetime],
    zone: ZoneInfo,
) -> Occupancies:
    """The numbers of each ward when it is asked. A day ends at midnight in the zone."""

    def occupancy(ward: str) -> Occupancy:
        known = register.wards.get(ward)
        places = known.places if known else None
        found = census.presence(ward, _next_midnight(now(), zone))
        free = places - found.patients if places is not None and found else None
        return Occupancy(
            ward=ward,
            places=places,
            occupied=found and found.patients,
            free=free,
            on_leave=found and found.on_leave,
            leaving_today=found and found.leaving,
            on_the_way=board.count(ward),
            told_at=found and found.told_at,
        )

    return occupancy


def _next_midnight(at: datetime, zone: ZoneInfo) -> datetime:
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone)
