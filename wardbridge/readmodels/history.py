"""Past notices of a ward in pages, from memory or from the log; a block is read once for all readers.

Bounds: one block is read at a time, whoever asks; the newest :data:`BLOCKS_KEPT` stay in memory; a page has some
:data:`PAGE_BYTES`. Nothing is read for a listener that has gone while it waited for its turn.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bus.port import Log, PositionLostError, Stored, TopicPartition
from wardbridge.readmodels.board import Board, WardHistory
from wardbridge.readmodels.stream_events import StreamEvent, kept_of

BLOCK_OFFSETS: Final = 512
"""Offsets of one partition that are read together: half a megabyte, which Kafka gives in one fetch anyway."""

BLOCKS_KEPT: Final = 16
"""In memory, those asked for last: readers who are far behind differ, and each block has up to half a megabyte."""

PAGE_BYTES: Final = 32_000
"""After a page others have their turn: it takes half a millisecond to send."""

PAGES_AT_ONCE: Final = 16
"""In one turn of the loop, to all who are behind."""

Block = Mapping[int, StreamEvent]
"""By offset, whosever they are."""


class GoneError(Exception):
    """A notice is no longer kept."""


class Turns:
    """Has those who want more wait for their turn: some in each turn of the loop, so that it is short for all others."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def mine(self) -> None:
        """Wait for it."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._next)
        await turn

    def _next(self) -> None:
        for _ in range(min(PAGES_AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():  # who waited may have gone
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)


class Pages:
    """Gives pages of the wards' notices. Only the event loop's thread calls."""

    def __init__(self, log: Log, board: Board) -> None:
        self._log = log
        self._board = board
        self._blocks: OrderedDict[tuple[TopicPartition, int], Block] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self.turns = Turns()
        self._thread = ThreadPoolExecutor(1, "history")

    async def after(self, history: WardHistory, sequence: int, until: int) -> list[StreamEvent]:
        """The ward's notices after one sequence up to another, as many as fit: at least one.

        Raises GoneError where the next one is not kept, LogError where the log cannot be read.
        """
        wanted = range(sequence + 1, until + 1)
        recent = self._board.recent
        if found := _page(history, wanted, lambda offset: recent.at(history.at, offset)):
            return found
        block = await self._block(history.at, history.offset_of(sequence + 1))
        if found := _page(history, wanted, block.get):
            return found
        raise GoneError

    async def _block(self, at: TopicPartition, offset: int) -> Block:
        key = (at, offset // BLOCK_OFFSETS)
        async with self._one_at_a_time:
            block = self._blocks.get(key)
            if (
                block is None or offset not in block
            ):  # its end may have been read before it was written
                block = await self._read_aside(at, offset)
                self._blocks[key] = block
            self._blocks.move_to_end(key)
            while len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
            return block

    async def _read_aside(self, at: TopicPartition, offset: int) -> Block:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, at, offset)

    def _read(self, at: TopicPartition, offset: int) -> Block:
        """The block around an offset; in a thread."""
        first = offset - offset % BLOCK_OFFSETS
        try:
            found = self._log.scan(at, first, BLOCK_OFFSETS)
        except PositionLostError:  # its beginning is gone; the rest may be there
            found = self._scan_from(at, offset)
        return {each.offset: kept_of(each) for each in found if each.offset < first + BLOCK_OFFSETS}

    def _scan_from(self, at: TopicPartition, offset: int) -> list[Stored]:
        try:
            return list(self._log.scan(at, offset, BLOCK_OFFSETS))
        except PositionLostError:
            return []


def _page(
    history: WardHistory, wanted: range, at: Callable[[int], StreamEvent | None]
) -> list[StreamEvent]:
    """Those of the notices wanted that ``at`` gives by their offsets, without a gap, until they are a page."""
    found: list[StreamEvent] = []
    size = 0
    for number in wanted:
        kept = at(history.offset_of(number))
        if kept is None or kept.event_id != history.id_of(number) or size >= PAGE_BYTES:
            break
        found.append(kept)
        size += len(kept.event)
    return found
