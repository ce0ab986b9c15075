"""Work that a change left for many visits at once: a bounded part of it is done at each record.

Authority that moves, and a ward register that says something else since a restart, concern everybody who is announced
to some wards or marked for them. Each patient is brought in line by itself, so the work can be done in parts; between
them whatever is said of a patient counts at once.

Row of state ``backlog``, only while there is some: a JSON array of the wards that are not done, of those that another
source was believed for, and of those whose visits are read otherwise. A restart goes on with these wards. Row ``register``: which reading of the ward
register and the hospitals' choices the lists are in line with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final

from router.core.designations import Name
from router.core.fulfilment import Fulfilment
from router.core.keys import VisitKey
from schemas.ward import WardRegister

LOOKED_AT: Final = 200
"""Visits and announcements that one record looks at: some 40 ms, most of it to fold what a restart left unfolded."""

Waiting = Name | VisitKey


class WardBacklog:
    """What waits, for one realm, ward by ward.

    ``gained``: wards that another source was believed for. ``reread``: wards whose visits are read by another
    register or choice of a hospital, and described anew.
    """

    def __init__(self) -> None:
        self.gained: frozenset[str] = frozenset()
        self.reread: frozenset[str] = frozenset()
        self._wards: frozenset[str] = frozenset()
        self._ward = ""
        self._waiting: list[Waiting] = []

    def restore(self, row: bytes) -> None:
        """Put the committed row back; what waits is to be found again."""
        self._wards, self.gained, self.reread = map(frozenset, json.loads(row))

    def add(
        self, wards: Iterable[str], gained: Iterable[str] = (), reread: Iterable[str] = ()
    ) -> None:
        """Everything of these wards is to be looked at again."""
        self._wards = self._wards.union(wards)
        self.gained = self.gained.union(gained)
        self.reread = self.reread.union(reread)
        self._waiting = []  # of the ward that was begun with there may be more now

    def take(self, find: Callable[[str], Iterable[Waiting]]) -> list[Waiting]:
        """Take out the next ones. ``find`` tells what there is of a ward."""
        taken: list[Waiting] = []
        while self._wards and len(taken) < LOOKED_AT:
            if not self._waiting:
                self._ward = min(self._wards)
                self._waiting = list(find(self._ward))
            left = LOOKED_AT - len(taken)
            taken += self._waiting[-left:]
            del self._waiting[-left:]
            if not self._waiting:
                self._wards -= {self._ward}
                self.gained -= {self._ward}
                self.reread -= {self._ward}
        return taken

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._wards)

    @property
    def row(self) -> bytes | None:
        """The row of state; None where nothing waits."""
        wards = (self._wards, self.gained, self.reread)
        return json.dumps([*map(sorted, wards)]).encode() if self else None


def reading_of(register: WardRegister, fulfilment: Fulfilment) -> str:
    """Which hospital each ward is of, and what ends the wait there, as one short text."""
    wards = sorted((ward.id, ward.hospital) for ward in register.wards.values())
    told = repr((wards, fulfilment.realm, sorted(fulfilment.wards.items())))
    return blake2b(told.encode(), digest_size=16).hexdigest()
