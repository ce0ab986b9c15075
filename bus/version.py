"""Whether a log can be read by this version: its format is :data:`schemas.topics.LOG_VERSION` or it is refused.

Rows of another format would be read as something that they do not mean, so there is no attempt. Who
carries the number: on SQLite ``user_version`` of the file, on Kafka the one record of topic
``format`` (``bus.kafka.format``).
"""

from __future__ import annotations

from bus.port import LogError
from schemas.topics import LOG_VERSION


def check_version(found: int, empty_log: str) -> None:
    """Raises LogError for a log of another version; ``empty_log`` names the setting of a new one."""
    if found > LOG_VERSION:
        raise LogError(
            f"the log was written by a newer wardbridge (log format {found}, this one knows "
            f"{LOG_VERSION}); start that version, or restore the copy made before the upgrade"
        )
    if found < LOG_VERSION:
        raise LogError(
            f"the log was written by an older wardbridge (log format {found}, this one reads "
            f"{LOG_VERSION} only): nothing in it was changed. Keep it for that version to read, name "
            f"an empty one ({empty_log}), and let the sources send what is open: runbook, "
            '"A log of an older format"'
        )
