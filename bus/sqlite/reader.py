"""Reads the file beside the writing process, from any number of processes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from bus.durable import flush
from bus.local import LocalLog, OnDone, Write
from bus.port import LogError, Record, Stored, TopicPartition
from bus.sqlite import schema
from bus.sqlite.connections import Connections
from bus.sqlite.errors import opening
from bus.sqlite.writer import Draft, WriteEntry
from schemas.topics import TOPICS, Topic

FOLLOW_INTERVAL_S: Final = 0.1  # how often a reader in another process looks for news
_RANGE: Final = (
    "SELECT id, at_ms, key, headers, value FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
)
_UNLIMITED: Final = -1


class SqliteReader(LocalLog):
    """A log that another process may be writing. Raises LogError for a file it cannot read."""

    writable = False

    def __init__(self, path: Path, table: Sequence[Topic] = TOPICS) -> None:
        with opening(path), closing(schema.connect(path, read_only=True)) as connection:
            self._slots = schema.slots(connection, table)
        super().__init__(1 + max(at.partition for at in self._slots), table)
        self.path = path
        self._connections = Connections(path)

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        places = {slot: at for at, slot in self._slots.items()}
        rows = self._connections.query("SELECT slot, next FROM position WHERE reader = ?", group)
        return {places[slot]: offset for slot, offset in rows if slot in places}

    def ends(self, topic: str) -> Mapping[int, int]:
        """See the port."""
        return {p: self._end(TopicPartition(topic, p)) for p in range(self.partitions(topic))}

    def _end(self, at: TopicPartition) -> int:
        ((end,),) = self._connections.query(schema.END, *schema.end_values(self._slots[at]))
        return int(end)

    def starts(self, topic: str) -> Mapping[int, int]:
        """See the port; zero for compacted topics, whose holes are no loss."""
        self.partitions(topic)
        sql = "SELECT partition, start FROM slot WHERE topic = ?"
        return dict(self._connections.query(sql, topic))

    def _fetch(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        return list(self._range(at, offset, limit))

    def load(self, at: TopicPartition) -> Iterator[Stored]:
        """See the port: what compaction left is what is there, as of the first row."""
        self._check_at(at)
        return (row for row in self._range(at, 0, _UNLIMITED) if row.value is not None)

    def _range(self, at: TopicPartition, offset: int, limit: int) -> Iterator[Stored]:
        slot = self._slots[at]
        low, high = schema.first_id(slot, offset), schema.first_id(slot + 1)
        for row_id, at_ms, key, headers, value in self._connections.query(_RANGE, low, high, limit):
            parsed = schema.headers_from_text(headers)
            yield Stored(*at, schema.offset_of(row_id), key, value, parsed, at_ms)

    def wait(
        self, topics: Sequence[str], seen: Mapping[TopicPartition, int], wait_s: float
    ) -> bool:
        """See the port; looks every :data:`FOLLOW_INTERVAL_S`."""
        until = time.monotonic() + wait_s
        while not super().wait(topics, seen, min(wait_s, FOLLOW_INTERVAL_S)):
            if time.monotonic() >= until:
                return False
        return True

    def copy_to(self, target: Path) -> None:
        """A consistent copy of the whole log, also while it is written; ``target`` must be new."""
        with opening(target):
            _make_private(target)
            self._connections.copy_to(target)
            flush(target)  # VACUUM INTO does not
            flush(target.parent)

    def _enqueue(self, write: Write, on_done: OnDone) -> None:  # noqa: ARG002 - refuses all
        raise LogError(f"{self.path} is open for reading only")

    def _entry(self, write: Write) -> WriteEntry:
        """What is written, by the slots of this file."""
        by_slot = {self._slots[at]: offset for at, offset in write.positions.items()}
        drafts = [self._draft(record) for record in write.records]
        return WriteEntry(drafts, write.size, write.group, by_slot, write.member, write.joins)

    def _draft(self, record: Record) -> Draft:
        at = TopicPartition(record.topic, self.partition_of(record.topic, record.route))
        headers = schema.headers_to_text(record.headers)
        return (self._slots[at], record.key, headers, record.value)

    def close(self) -> None:
        """See the port."""
        self._connections.close()


def _make_private(target: Path) -> None:
    try:
        schema.make_private(target)
    except FileExistsError:
        raise LogError("it is there already: name another file for the copy") from None
