"""Follows the router's topics in one thread, for all read models of the process.

Per look: pieces of what is new in ``designations``; before each is handed over, all that is written by then
in ``inbound`` and, where it is asked for, of the census and of who the patients are. A commit of the router
holds all of it, so what is handed over is never older than the notices: whoever reads a list and then streams
from its sequence misses nothing, and whoever knows a notice knows of whom it is. Each piece counts as read once
it is handed over, so that an error between loses nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, NamedTuple

from bus.port import Log, LogError, PositionLostError, Stored, TopicPartition
from schemas import topics
from wardbridge.parts.base import describe

WAIT_S: Final = 0.5  # how long `stop` may have to wait for an idle tail
SCAN_RECORDS: Final = 1_000
FOLLOWED: Final = (topics.DESIGNATIONS, topics.INBOUND, topics.ACKNOWLEDGEMENTS)


class News(NamedTuple):
    """Committed records of each topic, in order."""

    notices: tuple[Stored, ...] = ()
    rows: tuple[Stored, ...] = ()
    acknowledgements: tuple[Stored, ...] = ()
    encounters: tuple[Stored, ...] = ()
    patients: tuple[Stored, ...] = ()
    aliases: tuple[Stored, ...] = ()


class LogFollower:
    """Reads the topics from the oldest kept record on; gives news to the event loop."""

    name = "stream"

    def __init__(
        self,
        log: Log,
        deliver: Callable[[News], None],
        wait_s: float = WAIT_S,
        *,
        with_census: bool = False,
        with_patients: bool = False,
    ) -> None:
        self._with_census = with_census
        self._with_patients = with_patients
        self._followed = (
            *FOLLOWED,
            *([topics.ENCOUNTERS, topics.ALIASES] if with_census else []),
            *([topics.PATIENTS] if with_patients else []),
        )
        self._wait_s = wait_s
        self._log = log
        self._deliver = deliver
        self._next: dict[TopicPartition, int] = {}
        self._caught_up = threading.Event()
        self._begun = 0
        self._ended = 0
        self._stopping = threading.Event()
        self._refused: LogError | None = None
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    async def start(self) -> None:
        """Begin; until caught up the component blocks."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Hand over what is committed by now, then end."""
        self._stopping.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def blocking(self) -> str | None:
        """What is kept is still being read, or the log cannot be read."""
        if self._refused:
            return describe(self._refused)
        return None if self._caught_up.is_set() else "the notices kept are being read"

    def looking_again(self) -> Callable[[], Awaitable[bool]]:
        """Whether something committed before this call may still not have been handed over."""
        awaited = self._begun + 1  # a look that begins later sees at least what is committed now

        async def goes_on() -> bool:
            is_behind = self._ended < awaited
            await asyncio.sleep(0)  # what was handed over by then is taken in after this
            return is_behind

        return goes_on

    @property
    def read_to(self) -> Mapping[TopicPartition, int]:
        """By partition, the offset before which all was handed over."""
        return self._next

    def failure(self) -> str | None:
        """The thread ended by an error."""
        return describe(self._failure) if self._failure else None

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._round()
                self._log.wait(self._followed, self.read_to, self._wait_s)
            self._round()
        except Exception as error:  # noqa: BLE001 - the supervisor reads it and ends the process
            self._failure = error

    def _round(self) -> None:
        self._begun += 1
        try:
            self._look()
            self._ended = self._begun
            self._caught_up.set()
            self._refused = None
        except LogError as error:
            self._refused = error
            self._stopping.wait(self._wait_s)

    def _look(self) -> None:
        """At all that is written when it begins: notices in pieces, before each what is of it elsewhere."""
        has_notices = False
        for notices in self._unread(topics.DESIGNATIONS):
            has_notices = True
            self._look_beside()
            self._hand_over(News(notices))
        if not has_notices:
            self._look_beside()
        for acknowledged in self._unread(topics.ACKNOWLEDGEMENTS):
            self._hand_over(News(acknowledgements=acknowledged))

    def _look_beside(self) -> None:
        if self._with_patients:  # they are described before the router hears of them
            for patients in self._unread(topics.PATIENTS):
                self._hand_over(News(patients=patients))
        if self._with_census:
            for aliases in self._unread(topics.ALIASES):
                self._hand_over(News(aliases=aliases))
            for encounters in self._unread(topics.ENCOUNTERS):
                self._hand_over(News(encounters=encounters))
        for rows in self._unread(topics.INBOUND):
            self._hand_over(News(rows=rows))

    def _unread(self, topic: str) -> Iterator[tuple[Stored, ...]]:
        """What is written by now, in pieces; no more, for a router that never rests writes on.

        A piece that is not dealt with to its end is given again.
        """
        for partition, end in self._log.written(topic).items():
            at = TopicPartition(topic, partition)
            if end < self._next.get(at, 0):
                raise LogError(f"{topic}/{partition} was made anew since it was read: restart")
            while self._next.get(at, 0) < end:
                records = self._scan(at)
                if records:
                    yield records
                self._next[at] = records[-1].offset + 1 if records else end

    def _scan(self, at: TopicPartition) -> tuple[Stored, ...]:
        try:
            return tuple(self._log.scan(at, self._next.get(at, 0), SCAN_RECORDS))
        except PositionLostError:  # retention passed by: go on with the oldest kept
            self._next[at] = self._log.starts(at.topic)[at.partition]
            return tuple(self._log.scan(at, self._next[at], SCAN_RECORDS))

    def _hand_over(self, news: News) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, news)
