"""The Kafka engine: the port over a handful of clients, each for one purpose.

* ``append`` goes through one idempotent producer, without transactions (``bus.kafka.appender``);
* ``commit`` through a transactional producer of its own for each group (``bus.kafka.committer``);
* ``read`` through a static member of the group (``bus.kafka.member``);
* ``scan``, ``wait`` and ``load`` through clients without a group.

Exactly once, by what: positions, state and outputs are in one transaction; readers see committed
records only; positions are refused from an older generation of the group, transactions from an
older process under the same name. What cannot be told from here (a commit that hangs) ends the
process (``bus.kafka.watchdog``), and the next one starts from what is committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, Self, TypeVar
from zlib import crc32

from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from kafka.structs import ConsumerGroupMetadata

from bus.checks import check, known
from bus.kafka import cloudevents, topics
from bus.kafka.appender import Appender, Wire
from bus.kafka.committer import Committer
from bus.kafka.errors import translating
from bus.kafka.format import check_format
from bus.kafka.hanging import Ender
from bus.kafka.limits import Limits
from bus.kafka.member import Member
from bus.kafka.offsets import OffsetLookup
from bus.kafka.producers import AppendingProducer, TransactionalProducer, started
from bus.kafka.records import read_every_record
from bus.kafka.restore import newest_of_each_key
from bus.kafka.scanner import Scanner
from bus.kafka.settings import (
    KafkaSettings,
    Options,
    client_options,
    consumer_options,
    member_options,
    producer_options,
    transaction_options,
)
from bus.kafka.watchdog import OnStuck, Watchdog, end_process
from bus.local import OnDone
from bus.port import (
    Batch,
    LogError,
    PositionLostError,
    Record,
    RecordTooLargeError,
    Stored,
    TopicPartition,
)
from schemas.topics import DESIGNATIONS, FORMAT, TOPICS, Topic

SHARED: Final = 0  # no thread has this number
Key = TypeVar("Key")
Part = TypeVar("Part")


class KafkaLog:
    """The log on the cluster that ``settings`` name; makes and checks its topics first.

    Raises LogError when no broker answers, a topic is not what it must be, or the log is of another format.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        table: Sequence[Topic] = TOPICS,
        on_stuck: OnStuck = end_process,
        *,
        may_make: bool = True,
    ) -> None:
        read_every_record()
        self.topics: Mapping[str, Topic] = {topic.name: topic for topic in table}
        self.settings = settings
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._committed_here: dict[str, dict[TopicPartition, int]] = {}
        self._members: dict[str, Member] = {}
        self._settling: dict[str, Callable[[], None]] = {}
        self._committers: dict[str, Committer] = {}
        self._scanners: dict[int, Scanner] = {}
        with translating(f"connecting to {', '.join(settings.brokers)}"):
            self._admin = KafkaAdminClient(**client_options(settings))
        try:
            self.differences = tuple(topics.ensure(self._admin, settings, table, may_make=may_make))
            self._lookup = OffsetLookup(self._admin, settings)
            self._limits = Limits(self._admin, settings, self.topics)
            self._appender = Appender(self._appending, settings.answer_within_s)
        except BaseException:
            self._admin.close()
            raise
        self._watchdog = Watchdog(settings.commit_timeout_s, on_stuck)
        if FORMAT in self.topics:
            self._check_format(may_write=may_make)

    @classmethod
    def open(
        cls, settings: KafkaSettings, *, table: Sequence[Topic] = TOPICS, may_make: bool = True
    ) -> Self:
        """Open the log; ``may_make``: its topics, where they are not there."""
        return cls(settings, table, may_make=may_make)

    # -- places -----------------------------------------------------------------------------------

    def partitions(self, topic: str) -> int:
        """See the port."""
        known(self.topics, topic)
        return self.settings.partitions

    def partition_of(self, topic: str, route: str) -> int:
        """CRC-32 of the route, modulo the number of partitions, as on every engine."""
        return crc32(route.encode()) % self.partitions(topic)

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        return _by_number(self._lookup.ends(self._places(topic)))

    def written(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        return _by_number(self._lookup.written(self._places(topic)))

    def starts(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        return _by_number(self._lookup.starts(self._places(topic)))

    def trouble(self) -> str | None:
        """See the port."""
        return self._limits.trouble()

    def identity(self, topic: str) -> str:
        """See the port."""
        return self._lookup.identity(topic)

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        known = dict(self._lookup.committed(group))
        for at, offset in self._committed_here.get(group, {}).items():
            # A commit that has returned shows itself a little later; nothing undoes it.
            known[at] = max(offset, known.get(at, offset))
        return known

    # -- writing ----------------------------------------------------------------------------------

    def submit(self, records: Sequence[Record], on_done: OnDone) -> None:
        """See the port."""
        size = check(self.topics, records)
        wires = [self._wire(record) for record in records]
        self._appender.submit(wires, size, self._learning(on_done))

    def append(self, records: Sequence[Record]) -> None:
        """See the port."""
        size = check(self.topics, records)
        self._append([self._wire(record) for record in records], size)

    def append_at(self, at: TopicPartition, records: Sequence[Stored]) -> None:
        """Append to this very partition what another log has in its own, and wait until durable."""
        self._check_at(at)
        wires = [self._wire_at(at, each) for each in records]
        self._append(wires, sum(len(each.value or b"") for each in records))

    def commit(
        self, group: str, positions: Mapping[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        """See the port."""
        for at in positions:
            self._check_at(at)
        check(self.topics, records)
        wires = [self._wire(record) for record in records]
        places = {self._lookup.place(at): offset for at, offset in positions.items()}
        with self._learning_of_limits():
            self._committer(group).commit(places, wires, self._generation(group, positions))
        self._committed_here[group] = {**self._committed_here.get(group, {}), **positions}

    # -- reading ----------------------------------------------------------------------------------

    def read(self, group: str, topics: Sequence[str], limit: int, wait_s: float) -> Batch:
        """See the port. A client that failed is not asked again: the next call makes another."""
        self._committer(group).settle()  # before positions are asked for
        try:
            return self._member(group, topics).read(limit, wait_s)
        except PositionLostError:
            raise
        except LogError:
            self._leave(group)
            self._committers[group].doubt()
            raise

    def settle_before_leaving(self, group: str, settle: Callable[[], None]) -> None:
        """See the port."""
        self._settling[group] = settle

    def keep(self, group: str) -> bool:
        """See the port."""
        member = self._members.get(group)
        return member is not None and member.keep()

    def rewind(self, group: str) -> None:
        """See the port."""
        if member := self._members.get(group):
            member.rewind()

    def leave(self, group: str) -> None:
        """See the port."""
        self._leave(group)
        with self._lock:
            committer = self._committers.pop(group, None)
        if committer is not None:
            committer.close()

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        """See the port; an empty answer is a promise, see ``bus.kafka.scanner``."""
        self._check_at(at)
        return self._scanner().scan(at, offset, limit, lambda: self._lookup.starts([at])[at])

    def since(self, at: TopicPartition, timestamp_ms: int) -> int:
        """See the port; the brokers know it by their index of times."""
        self._check_at(at)
        return self._lookup.since(at, timestamp_ms)

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """See the port. Brokers that do not answer have nothing new; ``scan`` tells why."""
        deadline = time.monotonic() + wait_s
        try:
            return self._wait(topics, seen, wait_s)
        except LogError:
            self._check_open()
            self._closing.wait(max(0.0, deadline - time.monotonic()))
            return False

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port."""
        self._check_at(at)
        self._check_open()
        return newest_of_each_key(self._consumer, self._lookup, at, self._settle_within_s())

    def close(self) -> None:
        """See the port."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
        self._appender.close()
        for parts in (self._committers, self._members, self._scanners):
            for part in parts.values():
                part.close()
        self._watchdog.close()
        self._admin.close()

    # -- how --------------------------------------------------------------------------------------

    def _check_format(self, *, may_write: bool) -> None:
        try:
            places = [at for name in self.topics if name != FORMAT for at in self._places(name)]
            has_records = any(self._lookup.ends(places).values())
            check_format(self, has_records=has_records, may_write=may_write)
        except BaseException:
            self.close()
            raise

    def _append(self, wires: Sequence[Wire], size: int) -> None:
        done: Future[LogError | None] = Future()
        self._appender.submit(wires, size, self._learning(done.set_result))
        error = done.result()
        if error is not None:
            raise error

    def _learning(self, on_done: OnDone) -> OnDone:
        def done(error: LogError | None) -> None:
            self._limits.stale |= isinstance(error, RecordTooLargeError)
            on_done(error)

        return done

    @contextmanager
    def _learning_of_limits(self) -> Iterator[None]:
        try:
            yield
        except RecordTooLargeError:
            self._limits.stale = True
            raise

    def _wire(self, record: Record) -> Wire:
        self._limits.check(record.topic, record)
        partition = self.partition_of(record.topic, record.route)
        return self._wire_at(TopicPartition(record.topic, partition), record)

    def _wire_at(self, at: TopicPartition, record: Record | Stored) -> Wire:
        value, headers = record.value, record.headers
        if at.topic == DESIGNATIONS and value is not None:
            value, added = cloudevents.sent(value, self.settings.cloudevents)
            headers = (*headers, *added)
        name, key = self.settings.topic(at.topic), _encoded(record.key)
        return Wire(name, value, key, list(headers), at.partition)

    def _generation(
        self, group: str, positions: Mapping[TopicPartition, int]
    ) -> ConsumerGroupMetadata:
        member = self._members.get(group)
        if member is None:
            return ConsumerGroupMetadata(group_id=self.settings.group(group))
        generation = member.metadata()  # first: held afterwards is held in this generation
        if generation.generation_id < 0:  # the brokers would not compare it with anything
            raise LogError(f"{group}: our place in the group was lost meanwhile")
        if not member.holds(positions):
            raise LogError(f"{group}: a partition was given to another member meanwhile")
        return generation

    def _member(self, group: str, topics: Sequence[str]) -> Member:
        for topic in topics:
            known(self.topics, topic)
        member = self._members.get(group)
        if member is not None and member.topics != frozenset(topics):
            self._leave(group)
        return self._made(self._members, group, lambda: self._joining(group, topics))

    def _leave(self, group: str) -> None:
        """Let go of the client; under our instance the place in the group stays ours."""
        with self._lock:
            member = self._members.pop(group, None)
        if member is not None:
            member.close()

    def _joining(self, group: str, topics: Sequence[str]) -> Member:
        consumer = self._consumer(group)
        with self._watchdog.watching(f"subscribing to the topics of {group}"):  # has no time-out
            return Member(consumer, topics, self._lookup, self._settling.get(group))

    def _committer(self, group: str) -> Committer:
        return self._made(
            self._committers, group,
            lambda: Committer(
                group, lambda: self._producer(group), self._watchdog, self._end_older
            ),
        )  # fmt: skip

    def _end_older(self, producer_id: int, epoch: int, committed: int | None) -> None:
        places = [self._lookup.place(at) for name in self.topics for at in self._places(name)]
        Ender(self._admin, places).end(producer_id, epoch, committed)

    def _wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        places = [at for topic in topics for at in self._places(topic)]
        unseen = self._lookup.starts([at for at in places if at not in seen])
        return self._scanner(waits=True).wait(
            {at: seen.get(at, unseen.get(at, 0)) for at in places}, wait_s
        )

    def _scanner(self, *, waits: bool = False) -> Scanner:
        """Who waits has a client of its own; whoever only looks something up shares one."""
        thread = threading.get_ident()
        return self._made(
            self._scanners, thread if waits or thread in self._scanners else SHARED,
            lambda: Scanner(self._consumer, self._lookup, self._settle_within_s()),
        )  # fmt: skip

    def _made(self, made: dict[Key, Part], key: Key, make: Callable[[], Part]) -> Part:
        """The part of that name, made on first use; only who needs it waits while it connects."""
        if key in made and not self._closing.is_set():
            return made[key]
        with self._lock:
            self._check_open()
            if key not in made:
                with translating("connecting"):
                    made[key] = make()
            return made[key]

    def _appending(self) -> AppendingProducer:
        """Knows every topic from the start: who submits must not have to wait for it to ask."""
        names = [self.settings.topic(name) for name in self.topics]
        with translating("connecting"):
            return started(
                lambda: AppendingProducer(**self._fitting(producer_options(self.settings))),
                lambda made: [made.partitions_for(name) for name in names],
            )

    def _producer(self, group: str) -> TransactionalProducer:
        options = transaction_options(self.settings, group)
        return TransactionalProducer(**self._fitting(options))

    def _fitting(self, options: Options) -> Options:
        return options | {"batch_size": self._limits.batch_bytes()}

    def _consumer(self, group: str | None = None) -> KafkaConsumer:
        if group is None:
            return KafkaConsumer(**consumer_options(self.settings))
        return KafkaConsumer(**member_options(self.settings, group))

    def _settle_within_s(self) -> float:
        """Longest time for which a transaction of a vanished process may hide what follows it."""
        return self.settings.transaction_timeout_s + self.settings.commit_timeout_s

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self.partitions(topic))]

    def _check_at(self, at: TopicPartition) -> None:
        if not 0 <= at.partition < self.partitions(at.topic):
            raise LogError(f"{at.topic!r} has no partition {at.partition}")

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise LogError("the log is closed")


def _encoded(key: str | None) -> bytes | None:
    return None if key is None else key.encode()


def _by_number(offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
    return {at.partition: offset for at, offset in sorted(offsets.items())}
