"""Looks up, when a notice is sent, what the subscriber may be told beside it.

Invariant: nothing is told from a read model that is behind the notice. What the router decided with it, and
what an adapter wrote before, is in it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from router.delivery.channel import MINIMAL, FieldsBeside
from schemas.fields import Beside, LevelAt
from schemas.notification import DesignationData
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.log_follower import LogFollower

LOOK_S: Final = 0.005


class DisclosureLookup:
    """Reads what one tail hands over. In the event loop's thread."""

    def __init__(self, known: Disclosure, board: Board, tail: LogFollower) -> None:
        self.known = known
        self.board = board
        self.tail = tail

    def up_to(self, level_at: LevelAt) -> FieldsBeside:
        """For a subscriber who is told so much at each ward."""
        return _UpTo(self, level_at)

    def is_read(self) -> bool:
        """Whether the read models are not being read anew, and the log can be read."""
        return (self.tail.failure() or self.tail.blocking()) is None


class _UpTo:
    """See ``router.delivery.channel.FieldsBeside``."""

    def __init__(self, lookup: DisclosureLookup, level_at: LevelAt) -> None:
        self._lookup = lookup
        self._level_at = level_at

    def now(self, row: DesignationData, *, has_waited: bool) -> Beside | None:
        level = self._level_at(row.ward, row.hospital)
        if level == "minimal":
            return MINIMAL
        board = self._lookup.board
        if not self._lookup.is_read() or not (has_waited or board.has(row)):
            return None
        return self._lookup.known.beside(board.marked(row), level)

    async def until_known(self, row: DesignationData) -> None:
        while not self._lookup.is_read():  # noqa: ASYNC110 - a thread reads
            await asyncio.sleep(LOOK_S)
        goes_on = self._lookup.tail.looking_again()
        while not self._lookup.board.has(row) and await goes_on():  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK_S)
