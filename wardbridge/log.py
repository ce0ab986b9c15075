"""The log of an installation, on the engine that its configuration names, in each of its processes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bus.memory import MemoryLog
from bus.port import Log
from bus.sqlite import SqliteLog
from bus.sqlite.attached import AttachedLog
from bus.sqlite.serving import serve
from wardbridge.config.models import Installation

LOG_NAME: Final = "log.db"


def log_path(data: Path) -> Path:
    """The log's file in a data folder."""
    return data / LOG_NAME


def open_log(installation: Installation) -> Log:
    """Open the log for writing, or make it. Raises LogError."""
    section = installation.settings.log
    if section.kafka is None or section.engine != "kafka":
        return SqliteLog.open(log_path(installation.data), partitions=section.partitions)
    # Here, so that whoever has no Kafka does not wait for its client to be read.
    from wardbridge.kafka import open_kafka  # noqa: PLC0415

    return open_kafka(section.kafka, section.partitions, installation.data)


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
