"""Opens the log that the configuration names, in each process of the installation."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bus.memory import MemoryLog
from bus.port import Log, LogError
from bus.sqlite import SqliteLog
from bus.sqlite.attached import AttachedLog
from bus.sqlite.reader import SqliteReader
from bus.sqlite.serving import serve
from schemas.topics import TOPICS, Topic
from wardbridge.config.models import Installation

if TYPE_CHECKING:
    from bus.kafka import KafkaLog

LOG_NAME: Final = "log.db"


def log_path(data: Path) -> Path:
    """The log's file in a data folder."""
    return data / LOG_NAME


def open_log(installation: Installation) -> Log:
    """Open the log for writing, or make it. Raises LogError."""
    if is_on_kafka(installation):
        return _open_kafka(installation, may_make=True)
    partitions = installation.settings.log.partitions
    return SqliteLog.open(log_path(installation.data), partitions=partitions)


def open_to_read(data: Path, installation: Installation | None) -> Log:
    """The log beside a service that may be running. Raises LogError, also where there is none.

    Without a configuration it is the file in the data folder.
    """
    if installation is not None and is_on_kafka(installation):
        return _open_kafka(installation, may_make=False)
    path = log_path(data)
    if not path.exists():
        raise LogError(
            f"{path}: there is no log; --data names the folder that the service runs in, and "
            "--config its configuration where the log is on Kafka"
        )
    return SqliteLog.open_readonly(path)


def open_own_topic(installation: Installation, topic: Topic) -> Log:
    """A log of nothing but a subscriber's topic, which is made where it is not there. Raises LogError."""
    return _open_kafka(installation, (topic,), may_make=True)


def open_for_moving(installation: Installation) -> KafkaLog:
    """The cluster's log, to copy another into it. Raises LogError."""
    return _open_kafka(installation, may_make=True)


def admits_others(log: Log) -> bool:
    """Whether other processes of the installation can work on it."""
    return not isinstance(log, MemoryLog)


def access_for_another(log: Log) -> list[socket.socket]:
    """What another process must inherit to write: a way to the one that writes, on SQLite."""
    if not isinstance(log, SqliteLog):
        return []
    ours, theirs = socket.socketpair()
    serve(log, ours)
    return [theirs]


def open_beside(
    installation: Installation, inherited: Sequence[int], on_gone: Callable[[], None]
) -> Log:
    """The log in another process than the service's own, by what that one gave.

    ``on_gone`` is called when nothing can be written any more. Raises LogError.
    """
    if not inherited:
        return open_log(installation)
    (writer,) = inherited
    return AttachedLog(log_path(installation.data), socket.socket(fileno=writer), on_gone=on_gone)


def is_one_file(log: Log) -> bool:
    """Whether only one process writes it."""
    return isinstance(log, SqliteReader)


def is_on_kafka(installation: Installation) -> bool:
    """Whether the log is a cluster, on which any number of processes work."""
    return installation.settings.log.engine == "kafka"


def _open_kafka(
    installation: Installation, table: Sequence[Topic] = TOPICS, *, may_make: bool
) -> KafkaLog:
    # Here, so that whoever has no Kafka does not wait for its client to be read.
    from wardbridge.logstore.kafka import open_kafka  # noqa: PLC0415

    section = installation.settings.log
    if section.kafka is None:
        raise LogError("there is no table [log.kafka]")
    return open_kafka(
        section.kafka, section.partitions, installation.data, table=table, may_make=may_make
    )
