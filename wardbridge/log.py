"""The log of an installation, on the engine that its configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bus.port import Log
from bus.sqlite import SqliteLog
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
