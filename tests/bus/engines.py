"""The engines under contract, each by a class here and its name in ``ENGINES``.

An engine opens logs in a place of its own, opens one again as a restart would, and makes all
records of a topic older than retention allows.
"""

import socket
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition as Place

from bus.kafka import KafkaLog, KafkaSettings
from bus.local import LocalLog
from bus.memory import MemoryLog
from bus.port import Log
from bus.sqlite import SqliteLog
from bus.sqlite.attached import AttachedLog
from bus.sqlite.serving import serve
from bus.sqlite.timing import Timing
from schemas.topics import (
    AUTHORITY,
    DESIGNATIONS,
    INBOUND,
    OBSERVATIONS,
    RAW,
    REVIEW,
    STATE,
    TICKS,
    TOPICS,
)
from tests.support.kafka import brokers

ASKED_FOR = (RAW, OBSERVATIONS, STATE, DESIGNATIONS, INBOUND, AUTHORITY, TICKS, REVIEW)
"""The topics that the tests of all engines name."""
YEARS_MS = 3 * 365 * 86_400_000
ALWAYS_TIDYING = 0.001


@dataclass
class Clock:
    """Milliseconds as the log sees them, moved by hand."""

    now_ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Engine(ABC):
    """Opens logs; ``engine(4)`` is one with four partitions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[Log] = []

    def __call__(self, partitions: int) -> Log:
        log = self.open(partitions)
        self.opened.append(log)
        return log

    @abstractmethod
    def open(self, partitions: int) -> Log: ...

    @abstractmethod
    def reopen(self, log: Log) -> Log: ...

    def beside(self, log: Log) -> Log:
        """The same log as a process started in place of another has it, which may not know that it is."""
        self.opened.append(other := self.attach(log))
        return other

    @abstractmethod
    def attach(self, log: Log) -> Log: ...

    @abstractmethod
    def expire(self, log: Log, topic: str) -> None:
        """Retention has passed for every record of the topic that is there now."""

    def close(self) -> None:
        for log in self.opened:
            log.close()


class MemoryEngine(Engine):
    """Restarts cannot be survived in memory: reopening forgets the cursors only."""

    def open(self, partitions: int) -> Log:
        return MemoryLog(partitions)

    def attach(self, log: Log) -> Log:
        assert isinstance(log, MemoryLog)
        return log.beside()

    def reopen(self, log: Log) -> Log:
        assert isinstance(log, LocalLog)
        for group in list(log._cursors):
            log.rewind(group)
        return log

    def expire(self, log: Log, topic: str) -> None:
        assert isinstance(log, MemoryLog)
        log.forget(topic)


class SqliteEngine(Engine):
    """Tidies after every transaction, by a clock that tests move."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = Clock()

    def open(self, partitions: int) -> Log:
        return self.at(self.folder / f"log{len(self.opened)}.db", partitions)

    def at(self, path: Path, partitions: int) -> SqliteLog:
        timing = Timing(self.clock, ALWAYS_TIDYING, ALWAYS_TIDYING, self.clock)
        return SqliteLog.open(path, partitions=partitions, timing=timing)

    def attach(self, log: Log) -> Log:
        assert isinstance(log, SqliteLog)
        return attached_to(log)

    def reopen(self, log: Log) -> Log:
        assert isinstance(log, SqliteLog)
        log.close()
        self.opened.append(again := self.at(log.path, log.partitions("raw")))
        return again

    def expire(self, log: Log, topic: str) -> None:
        self.clock.now_ms += YEARS_MS  # every topic kept by time loses what it has
        while log.starts(topic) != log.ends(topic):
            log.append([])  # an empty transaction; a slice is tidied after it
            # A log that was opened after the clock moved believes it only as fast as time passes.
            self.clock.now_ms += YEARS_MS


class AttachedEngine(Engine):
    """SQLite as a process sees it that another one writes for; here both are this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writing = SqliteEngine(folder)
        self.writers: dict[int, Log] = {}

    def open(self, partitions: int) -> Log:
        return self._attach(self.writing(partitions))

    def _attach(self, writer: Log) -> Log:
        assert isinstance(writer, SqliteLog)
        attached = attached_to(writer)
        self.writers[id(attached)] = writer
        return attached

    def attach(self, log: Log) -> Log:
        return self._attach(self.writers[id(log)])

    def reopen(self, log: Log) -> Log:
        log.close()
        self.opened.append(again := self._attach(self.writing.reopen(self.writers[id(log)])))
        return again

    def expire(self, log: Log, topic: str) -> None:
        self.writing.expire(self.writers[id(log)], topic)

    def close(self) -> None:
        super().close()
        self.writing.close()


def attached_to(writer: SqliteLog) -> AttachedLog:
    """The log as another process has it."""
    ours, theirs = socket.socketpair()
    serve(writer, theirs)
    return AttachedLog(writer.path, ours)


class KafkaEngine(Engine):
    """A real broker; each log has groups and ``names`` topics of its own by its prefix.

    A broker takes a tenth of a second to make a topic.
    """

    def __init__(self, folder: Path, names: Collection[str] = ASKED_FOR) -> None:
        super().__init__(folder)
        self.table = [topic for topic in TOPICS if topic.name in names]
        self.brokers = brokers()
        self.admin = KafkaAdminClient(bootstrap_servers=self.brokers)

    def open(self, partitions: int) -> KafkaLog:
        prefix = f"t{uuid.uuid4().hex[:8]}."
        settings = one_broker(self.brokers, prefix=prefix, partitions=partitions)
        return KafkaLog(settings, self.table)

    def attach(self, log: Log) -> Log:
        assert isinstance(log, KafkaLog)
        return KafkaLog(log.settings, self.table)

    def reopen(self, log: Log) -> Log:
        assert isinstance(log, KafkaLog)
        log.close()
        self.opened.append(again := KafkaLog(log.settings, self.table))
        return again

    def expire(self, log: Log, topic: str) -> None:
        assert isinstance(log, KafkaLog)
        everything = {
            Place(log.settings.topic(topic), partition): end
            for partition, end in log.ends(topic).items()
        }
        self.admin.delete_records(everything)

    def close(self) -> None:
        super().close()
        self.admin.close()


def one_broker(addresses: Sequence[str], **changed: Any) -> KafkaSettings:
    """Settings for the test broker: one replica, and little patience."""
    settings = KafkaSettings(tuple(addresses), replication=1, min_insync=1)
    return replace(settings, **changed)


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "memory": MemoryEngine,
    "sqlite": SqliteEngine,
    "sqlite-attached": AttachedEngine,
    "kafka": KafkaEngine,
}

__all__ = ["ENGINES", "Clock", "Engine", "KafkaEngine", "SqliteEngine", "one_broker"]
