"""What a subscriber is told beside a notice: looked up when it is sent, in the read models as they are by then.

Invariant: nothing is told from a read model that is behind the notice. What the router decided with it, and
what an adapter wrote before, is in it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from router.delivery.channel import MINIMAL, LookUp, NotKnownYetError
from schemas.fields import Beside, LevelAt
from schemas.notification import DesignationData
from wardbridge.components.tail import Tail
from wardbridge.fields.known import Known
from wardbridge.http.board import Board

WAIT_S: Final = 2.0
LOOK_S: Final = 0.005


class Lookup:
    """Reads what one tail hands over. In the event loop's thread."""

    def __init__(self, known: Known, board: Board, tail: Tail) -> None:
        self._known = known
        self._board = board
        self._tail = tail

    def up_to(self, level_at: LevelAt) -> LookUp:
        """For a subscriber who is told so much at each ward."""

        async def look_up(row: DesignationData) -> Beside:
            level = level_at(row.ward, row.hospital)
            if level == "minimal":
                return MINIMAL
            await self._catch_up_with(row)
            return self._known.beside(self._board.marked(row), level)

        return look_up

    async def _catch_up_with(self, row: DesignationData) -> None:
        """Raises NotKnownYetError."""
        if reason := self._tail.failure() or self._tail.blocking():
            raise NotKnownYetError(f"what is told besides is not known yet: {reason}")
        goes_on = self._tail.looking_again()
        try:
            async with asyncio.timeout(WAIT_S):
                while not self._board.has(row) and await goes_on():  # noqa: ASYNC110 - a thread looks
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise NotKnownYetError("what is told besides cannot be read now") from None
