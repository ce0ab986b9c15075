"""The committed position of each search, so that a restart goes on where the log says.

A row of topic ``snapshots`` for each search: its key holds the feed's name and a hash of server and
search (a search may name a patient), its value the moment from which the next round asks. It is written
after every page of a round is durable. It goes back only where a clock had run ahead. Repeating what was asked before is
harmless, since observations have derived ids; so a row that is lost costs a repetition only, while one
that ran ahead would cost what it passed over.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import blake2b
from typing import Final

from adapters.common.stamp import ID_BYTES
from bus.port import Log, Record, TopicPartition
from schemas import topics

KIND: Final = "search"
_SINCE: Final = "since"


class Positions:
    """The positions of one feed's searches."""

    def __init__(self, log: Log, feed: str, server: str) -> None:
        self._log = log
        self._feed = feed
        self._server = server

    def load(self) -> dict[str, datetime]:
        """By key, from the log. Raises LogError; what is in a row that cannot be read is not known."""
        partition = self._log.partition_of(topics.SNAPSHOTS, self._feed)
        prefix = f"{self._feed}|{KIND}|"
        return {
            row.key: since
            for row in self._log.load(TopicPartition(topics.SNAPSHOTS, partition))
            if row.key is not None and row.key.startswith(prefix)
            if (since := _since_in(row.value)) is not None
        }

    def key(self, search: str) -> str:
        """Of a search's row."""
        digest = blake2b(digest_size=ID_BYTES)
        digest.update(f"{self._server}\0{search}".encode())
        return f"{self._feed}|{KIND}|{digest.hexdigest()}"

    def record(self, search: str, since: datetime) -> Record:
        """The row that says from when a search asks next."""
        value = json.dumps({_SINCE: since.isoformat()}).encode()
        return Record(topics.SNAPSHOTS, self._feed, self.key(search), value)


def _since_in(value: bytes | None) -> datetime | None:
    try:
        since = datetime.fromisoformat(json.loads(value or b"")[_SINCE])
    except (ValueError, TypeError, KeyError):
        return None
    return since if since.tzinfo is not None else None
