"""Follows the notices of wardbridge on Kafka: an example to start from.

``KAFKA_BROKERS=host:9092 python notices.py handled.jsonl``

What this consumer does with a notice stands in for what yours does: it appends a line to a file. The
line and the note that the notice is done are one write, so a crash between doing and committing
makes Kafka bring the notice again, and the file says that it is done already. Do the same with your
database: the id of the notice and its effect in one transaction.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from kafka import KafkaConsumer


class Handled:
    """The notices that are done, in a file; a line that a crash cut short is not done."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+")
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._ids: set[str] = set()  # forget those older than the topic keeps, 90 days
        self._last: dict[str, int] = {}  # by ward
        for line in whole.splitlines():
            self._remember(json.loads(line))
        self._file.truncate(len(whole))

    def take(self, event_id: str, data: Mapping[str, Any]) -> None:
        """Do what a notice asks for, once."""
        if event_id in self._ids:
            print("repeated", event_id, file=sys.stderr, flush=True)
            return
        done = {"id": event_id, **{name: data[name] for name in ("ward", "sequence", "kind")}}
        self._look_for_gap(done["ward"], done["sequence"])
        self._file.write(json.dumps(done, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._remember(done)

    def _remember(self, done: Mapping[str, Any]) -> None:
        self._ids.add(done["id"])
        self._last[done["ward"]] = done["sequence"]

    def _look_for_gap(self, ward: str, sequence: int) -> None:
        """A ward's notices are numbered 1, 2, 3, …; after a gap read its list again over HTTP."""
        expected = self._last.get(ward, sequence - 1) + 1
        if sequence != expected:
            print(f"gap {ward}: {sequence} instead of {expected}", file=sys.stderr, flush=True)


def main() -> None:
    """Until SIGTERM or SIGINT."""
    running = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal running
        running = False

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    handled = Handled(Path(sys.argv[1]))
    consumer = KafkaConsumer(
        os.environ.get("TOPIC", "wardbridge.designations"),
        bootstrap_servers=os.environ["KAFKA_BROKERS"].split(","),
        group_id=os.environ.get("GROUP", "example-python"),
        isolation_level="read_committed",  # what a router gave up half way is never seen
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    while running:
        batch = consumer.poll(timeout_ms=500)
        for records in batch.values():
            for record in records:
                message = KafkaMessage(dict(record.headers), record.key, record.value)
                event = from_kafka_event(message)  # structured or binary
                data: Any = event.get_data()
                handled.take(event.get_id(), data)
        if batch:
            consumer.commit()  # after all of it is done, never before
    consumer.close()


if __name__ == "__main__":
    main()
