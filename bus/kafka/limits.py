"""The maximum size of a record of each topic, as the brokers have it now.

A record over the brokers' limit breaks a producer for all who share it, so it is refused before it is
sent. A limit that is lowered while we run is learnt from the first record that the brokers refuse.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient

from bus.kafka.errors import translating
from bus.kafka.settings import BATCH_BYTES, KafkaSettings
from bus.kafka.topics import MOST_MESSAGE_BYTES, SIZE_LIMIT, TopicDifference
from bus.port import Record, RecordTooLargeError, Stored

ROOM_FOR_BATCH_BYTES: Final = 256
"""What the wire adds to a record that is sent alone: header of the batch, and lengths."""
_EACH_HEADER_BYTES: Final = 10  # two lengths


class Limits:
    """Of one log's topics. ``stale`` is set by whoever hears that the brokers refused a size."""

    def __init__(
        self, admin: KafkaAdminClient, settings: KafkaSettings, names: Iterable[str]
    ) -> None:
        self._admin = admin
        self._settings = settings
        self._names = tuple(names)
        self._lock = threading.Lock()
        self._limits: Mapping[str, int] = {}
        self.stale = True

    def check(self, topic: str, record: Record | Stored) -> None:
        """Raises RecordTooLargeError for a record that the topic would not take now."""
        if self.stale:
            self._refresh()
        limit = self._limits.get(topic, MOST_MESSAGE_BYTES)
        if limit < MOST_MESSAGE_BYTES and _size_on_the_wire(record) > limit:
            raise RecordTooLargeError(f"a record for {topic!r} is too large: {self.trouble()}")

    def batch_bytes(self) -> int:
        """How much may be sent as one batch, to any topic."""
        if self.stale:
            self._refresh()
        return min(BATCH_BYTES, *self._limits.values()) - ROOM_FOR_BATCH_BYTES

    def trouble(self) -> str | None:
        """What is to be done about the limits that are too low."""
        lowered = (
            str(
                TopicDifference(
                    self._settings.topic(topic), SIZE_LIMIT, str(MOST_MESSAGE_BYTES), str(limit)
                )
            )
            for topic, limit in self._limits.items()
            if limit < MOST_MESSAGE_BYTES
        )
        return "; ".join(lowered) or None

    def _refresh(self) -> None:
        with self._lock, translating("asking for the topics' limits"):
            names = {self._settings.topic(name): name for name in self._names}
            asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            found = self._admin.describe_configs(asked, config_filter=ConfigFilterType.ALL)["topic"]
            self._limits = {
                names[name]: int(configs[SIZE_LIMIT]["value"]) for name, configs in found.items()
            }
            self.stale = False


def _size_on_the_wire(record: Record | Stored) -> int:
    headers = sum(
        len(name.encode()) + len(value) + _EACH_HEADER_BYTES for name, value in record.headers
    )
    size = len((record.key or "").encode()) + len(record.value or b"")
    return size + headers + ROOM_FOR_BATCH_BYTES
