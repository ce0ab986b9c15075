"""Parses fetched records, also those whose headers violate the protocol.

The name of a header is a string (Kafka protocol, record batch v2), and kafka-python refuses the whole
batch when one is not UTF-8: no reader would ever pass that place. Such a record is read without its
headers, and whatever reads it finds that they are missing.
"""

from __future__ import annotations

from typing import Any

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint


class TolerantBatch(DefaultRecordBatch):  # type: ignore[misc] # kafka-python is untyped
    """A record batch of which every record can be read."""

    def _read_msg(self, *arguments: Any) -> Any:  # noqa: ANN401 - kafka-python's
        begin = self._pos
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            return self._without_headers(begin)

    def _without_headers(self, begin: int) -> DefaultRecord:
        """The record that begins there: length, attributes, time, offset, key, value, headers."""
        length, body = decode_varint(self._buffer, begin)
        _, pos = decode_varint(self._buffer, body)
        later_ms, pos = decode_varint(self._buffer, pos)
        further, pos = decode_varint(self._buffer, pos)
        key, pos = self._bytes_at(pos)
        value, _ = self._bytes_at(pos)
        self._pos = body + length
        appended = self.timestamp_type == self.LOG_APPEND_TIME
        at_ms = self.max_timestamp if appended else self.first_timestamp + later_ms
        offset = self.base_offset + further
        return DefaultRecord(length, offset, at_ms, self.timestamp_type, key, value, [])

    def _bytes_at(self, pos: int) -> tuple[bytes | None, int]:
        length, pos = decode_varint(self._buffer, pos)
        if length < 0:
            return None, pos
        return bytes(self._buffer[pos : pos + length]), pos + length


def read_every_record() -> None:
    """Have the clients of this process parse batches so. Idempotent."""
    memory_records.DefaultRecordBatch = TolerantBatch
