"""The format of the log on a cluster: one record of topic ``format``, written before any other.

A log without it was made before there was one, unless it holds no record at all: then it is new, and
whoever opens it first for writing says so. Ends are asked for before the record is, so that a log which
another process begins meanwhile is not taken for an old one. Two that begin at once write the same.
"""

from __future__ import annotations

from typing import Final

from bus.port import Log, Record, TopicPartition
from bus.version import check_version
from schemas.topics import FORMAT, LOG_VERSION

KEY: Final = "log"
BEFORE_THE_RECORD: Final = 1
EMPTY_LOG: Final = "another prefix in [log.kafka]"


def check_format(log: Log, *, has_records: bool, may_write: bool) -> None:
    """Raises LogError for a log of another format; ``has_records`` was asked before."""
    at = TopicPartition(FORMAT, log.partition_of(FORMAT, KEY))
    found = next((each.value for each in log.load(at) if each.key == KEY and each.value), None)
    if found is not None:
        check_version(int(found), EMPTY_LOG)
    elif has_records:
        check_version(BEFORE_THE_RECORD, EMPTY_LOG)
    elif may_write:
        log.append([Record(FORMAT, KEY, KEY, str(LOG_VERSION).encode())])
