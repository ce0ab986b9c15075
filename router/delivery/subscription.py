"""What a subscriber wants: wards, hospitals, kinds, level of fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bus.port import Stored
from schemas.notification import DesignationData, Kind

MayRead = Callable[[str, str | None], bool]
"""Whether somebody may be told of a ward, of its hospital, now."""


def every_ward(ward: str, hospital: str | None) -> bool:
    """No bounds."""
    del ward, hospital
    return True


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscriber's choice. Without wards and hospitals it is all wards, without kinds all.

    ``may_read`` bounds the choice. ``since``: by partition of ``designations``, the first that it is told
    of; ``until_ms``: the last moment (Unix milliseconds).
    """

    name: str
    wards: frozenset[str] = frozenset()
    hospitals: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    may_read: MayRead = every_ward
    since: Mapping[int, int] = field(default_factory=dict)
    until_ms: int | None = None

    def wants(self, notice: DesignationData) -> bool:
        """Whether the subscriber is to be told."""
        anywhere = not (self.wards or self.hospitals)
        here = anywhere or notice.ward in self.wards or notice.hospital in self.hospitals
        is_meant = here and (not self.kinds or notice.kind in self.kinds)
        return is_meant and self.may_read(notice.ward, notice.hospital)

    def is_told(self, stored: Stored) -> bool:
        """Whether the notice was decided while the subscriber is one."""
        is_over = self.until_ms is not None and stored.timestamp_ms > self.until_ms
        return not is_over and stored.offset >= self.since.get(stored.partition, 0)
