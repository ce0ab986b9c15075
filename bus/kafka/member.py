"""A group member in this process: a static member that follows the group's assignment.

Positions are known before state is loaded: whenever the assignment changes, each partition starts
at what the group has committed (asked for with "stable", so that no commit of a predecessor is
under way), or at the oldest record kept where the group never committed. A partition that others
have moved on meanwhile is left out of one batch, so that whoever keeps state for it drops that.

A batch merges its partitions by the time at which the log took the records (see ``bus.local``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import ConsumerGroupMetadata

from bus.belonging import NotTogetherError, check_reaches
from bus.kafka import cloudevents
from bus.kafka.errors import CLIENT_ERRORS, translating
from bus.kafka.offsets import OffsetLookup
from bus.port import FOREIGN_BYTES, Batch, LogError, PositionLostError, Stored, TopicPartition
from schemas.topics import DESIGNATIONS

ALL: Final = 100_000  # what one response holds is taken whole: a rest would delay the next request
JOIN_WITHIN_S: Final = 60.0
REACH_WITHIN_S: Final = 15.0
POLL_S: Final = 0.1
OPEN_PATIENCE_S: Final = 1.0
SETTLE_WITHIN_S: Final = 10.0  # the others of the group wait meanwhile
SETTLE_LOOK_S: Final = 0.01
MERGE_PATIENCE_S: Final = 0.05  # how long to wait for partitions that lag behind the others


class Assignment(AsyncConsumerRebalanceListener):  # type: ignore[misc] # kafka-python is untyped
    """Notes that the assignment changed; called in the client's own loop, which goes on meanwhile."""

    def __init__(self, settle: Callable[[], None] | None) -> None:
        super().__init__()
        self.known = False
        self.changed = False
        self._settle = settle
        self.sleep: Callable[[float], Awaitable[None]] | None = None

    async def on_partitions_revoked(self, _: Any) -> None:  # noqa: ANN401 - kafka-python's
        """Others may work on them once this has returned; until then our commits are taken."""
        if self._settle is not None and self.known and self.sleep is not None:
            await self._settled(self._settle, self.sleep)
        self.known, self.changed = False, True

    async def on_partitions_lost(self, _: Any) -> None:  # noqa: ANN401 - kafka-python's
        """Others work on them already."""
        self.known, self.changed = False, True

    async def on_partitions_assigned(self, _: Any) -> None:  # noqa: ANN401 - kafka-python's
        """They are ours."""
        self.changed = True
        self.known = True

    @staticmethod
    async def _settled(
        settle: Callable[[], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        settling = threading.Thread(target=settle, name="settling", daemon=True)
        settling.start()
        deadline = time.monotonic() + SETTLE_WITHIN_S
        while settling.is_alive() and time.monotonic() < deadline:
            await sleep(SETTLE_LOOK_S)


class Member:
    """Reads the partitions of ``topics`` that the group's coordinator assigns to us."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        topics: Iterable[str],
        lookup: OffsetLookup,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self.topics = frozenset(topics)
        self._consumer = consumer
        self._lookup = lookup
        self._assignment = Assignment(settle)
        self._assignment.sleep = consumer._net.sleep  # noqa: SLF001 - its loop has no public name
        self._waiting: dict[TopicPartition, deque[Stored]] = {}
        self._cursor: dict[TopicPartition, int] = {}
        self._rewound = False
        names = [lookup.place(TopicPartition(topic, 0)).topic for topic in self.topics]
        self._consumer.subscribe(names, listener=self._assignment)
        for name in names:  # a leader that does not know them yet would assign nothing to anybody
            self._consumer.partitions_for_topic(name)

    def read(self, limit: int, wait_s: float) -> Batch:
        """See the port."""
        deadline = time.monotonic() + wait_s
        known = self._cursor  # the state that the caller has goes with these, however often
        while True:  # partitions leave and come back before this call returns
            self._join()
            if self._must_start_over() and (moved := self._start_over(known)):
                return Batch((), {}, self._assigned() - moved)
            self._fill(deadline)
            if not self._must_start_over():
                return self._take(limit)

    def keep(self) -> bool:
        """Take part in the group without taking records; False when what was read is not ours now.

        The client follows the group only while it is polled, and one that is not polled for
        ``max_poll_interval_ms`` counts as gone.
        """
        held = self._consumer.assignment()
        self._consumer.pause(*held)
        self._poll(POLL_S)
        self._consumer.resume(*(held & self._consumer.assignment()))
        return not self._must_start_over()

    def rewind(self) -> None:
        """Start again from the committed positions."""
        self._cursor = {}
        self._waiting = {}
        self._rewound = True

    def metadata(self) -> ConsumerGroupMetadata:
        """The generation in which we read: the brokers refuse positions of an older one."""
        return self._consumer.group_metadata()

    def holds(self, places: Iterable[TopicPartition]) -> bool:
        """Whether all these partitions are ours."""
        ours = {self._lookup.ours(place) for place in self._consumer.assignment()}
        return not self._assignment.changed and ours.issuperset(places)

    def close(self) -> None:
        """Release the connection; the place in the group stays ours for a while."""
        with suppress(*CLIENT_ERRORS):  # one that failed may fail in this too
            self._consumer.close(autocommit=False, timeout_ms=1000)

    # -- how ------------------------------------------------------------------------------------

    def _join(self) -> None:
        deadline = time.monotonic() + JOIN_WITHIN_S
        while not self._assignment.known:
            if time.monotonic() > deadline:
                raise LogError(f"no place in the group within {JOIN_WITHIN_S:.0f} s")
            self._poll(POLL_S)

    def _poll(self, wait_s: float) -> None:
        with translating("reading"):
            try:
                found = self._consumer.poll(timeout_ms=1000 * wait_s, max_records=ALL)
            except NoOffsetForPartitionError:
                self._rewound = True  # begin where the group never committed
                return
            except OffsetOutOfRangeError as error:
                raise self._lost(error.args[0]) from None
        for place, records in found.items():
            at = self._lookup.ours(place)
            self._waiting.setdefault(at, deque()).extend(stored(at, each) for each in records)

    def _lost(self, places: Mapping[Any, int]) -> LogError:
        """Why a position is out of range: retention has passed it, or the topic is another one."""
        gone = {self._lookup.ours(place): offset for place, offset in places.items()}
        starts = self._lookup.starts(gone)
        passed = [
            f"{at.topic}/{at.partition}: offset {offset} is gone, the oldest kept is {starts[at]}"
            for at, offset in gone.items()
            if offset < starts[at]
        ]
        if passed:
            return PositionLostError("; ".join(passed))
        try:
            for at, end in self._lookup.written(gone).items():
                check_reaches(at, gone[at], end)
        except NotTogetherError as error:
            return error
        return LogError("a position was out of range and is not any more: it is read again")

    def _start_over(self, known: Mapping[TopicPartition, int]) -> frozenset[int]:
        """Seek to the committed positions; the partition numbers that others have moved."""
        self._waiting = {}
        self._assignment.changed, self._rewound = False, True  # until all is known
        with translating("reading a group's positions"):
            places = {self._lookup.ours(place): place for place in self._consumer.assignment()}
            self._lookup.forget_identities()
            committed = {at: self._committed(place) for at, place in places.items()}
            starts = self._lookup.starts(at for at, offset in committed.items() if offset is None)
            cursor = {at: starts[at] if off is None else off for at, off in committed.items()}
            for at, offset in cursor.items():
                self._consumer.seek(places[at], offset)
        self._cursor, self._rewound = cursor, False
        return frozenset(
            at.partition for at, offset in cursor.items() if known.get(at, offset) != offset
        )

    def _committed(self, place: Any) -> int | None:  # noqa: ANN401 - kafka-python's
        """In time: without a limit the client asks for ever a coordinator that does not answer."""
        offset: int | None = self._consumer.committed(place, timeout_ms=1000 * REACH_WITHIN_S)
        return offset

    def _fill(self, deadline: float) -> None:
        """Have records, or be sure that there are none and that the time is over."""
        while not self._must_start_over() and not self._has_records():
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                self._reach_ends()
                return
            self._poll(min(remaining_s, POLL_S))
        self._wait_for_laggards()

    def _must_start_over(self) -> bool:
        return self._assignment.changed or self._rewound

    def _has_records(self) -> bool:
        return any(self._waiting.values())

    def _reach_ends(self) -> None:
        """Nothing came in time: there is nothing, or it has not been fetched yet.

        What is written and not yet seen as committed is waited for a little: a commit that has
        returned shows itself some milliseconds later.
        """
        patience_ends = time.monotonic() + OPEN_PATIENCE_S
        deadline = time.monotonic() + REACH_WITHIN_S
        ends = self._lookup.written(self._cursor)
        while not self._must_start_over() and not self._has_records():
            if all(self._position(at) >= end for at, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise LogError(f"records are there that do not come within {REACH_WITHIN_S:.0f} s")
            self._poll(POLL_S)
            if time.monotonic() > patience_ends:
                ends = self._lookup.ends(self._cursor)

    def _wait_for_laggards(self) -> None:
        deadline = time.monotonic() + MERGE_PATIENCE_S
        while (
            not self._must_start_over()
            and any(self._lags(at) for at in self._cursor)
            and (remaining_s := deadline - time.monotonic()) > 0
        ):
            self._poll(remaining_s)

    def _lags(self, at: TopicPartition) -> bool:
        """Whether older records than those at hand may be there and not be fetched yet."""
        if self._waiting.get(at):
            return False
        known = self._consumer.highwater(self._lookup.place(at))
        return known is None or self._position(at) < known

    def _position(self, at: TopicPartition) -> int:
        with translating("reading"):
            position = self._consumer.position(self._lookup.place(at), timeout_ms=1000)
        return self._cursor[at] if position is None else position

    def _take(self, limit: int) -> Batch:
        oldest_first = merge(*self._waiting.values(), key=attrgetter("timestamp_ms"))
        found = tuple(islice(oldest_first, limit))
        moved: dict[TopicPartition, int] = {}
        for record in found:
            at = TopicPartition(record.topic, record.partition)
            self._waiting[at].popleft()
            moved[at] = record.offset + 1
        for at, offset in self._cursor.items():
            if not self._waiting.get(at):  # all taken: behind it lie at most holes
                reached = max(self._position(at), moved.get(at, offset))
                if reached != offset:
                    moved[at] = reached
        self._cursor = self._cursor | moved
        return Batch(found, moved, self._assigned())

    def _assigned(self) -> frozenset[int]:
        """Partition numbers that are ours in every topic."""
        of_topics: dict[str, set[int]] = {topic: set() for topic in self.topics}
        for at in self._cursor:
            of_topics[at.topic].add(at.partition)
        return frozenset(set.intersection(*of_topics.values()))


def stored(at: TopicPartition, record: Any) -> Stored:  # noqa: ANN401 - kafka-python's
    """A consumer's record as the port gives it. Total: anybody may have written it."""
    key = None if record.key is None else record.key.decode("utf-8", FOREIGN_BYTES)
    value = record.value
    headers = tuple((name, value or b"") for name, value in record.headers)
    if at.topic == DESIGNATIONS:
        value, headers = cloudevents.received(value, headers)
    return Stored(*at, record.offset, key, value, headers, record.timestamp)
