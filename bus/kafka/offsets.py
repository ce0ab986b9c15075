"""Asks the brokers for offsets of partitions and positions of groups; one client for all callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, RetriableError
from kafka.protocol.consumer import IsolationLevel, OffsetSpec
from kafka.structs import OffsetAndMetadata
from kafka.structs import TopicPartition as Place
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from bus.kafka.errors import translating
from bus.kafka.settings import KafkaSettings
from bus.port import TopicPartition

LOOKING: Final = "asking the brokers for offsets"
RETRY_EVERY_S, RETRY_FOR_S = 0.05, 5.0
Offsets = dict[TopicPartition, int]
Answer = TypeVar("Answer")


def retried(ask: Callable[[], Answer]) -> Answer:
    """The answer, asked for again while the brokers say that they will soon have one.

    A coordinator is being chosen, or a leader: a client that reads or writes would ask again by
    itself; the one for administration does not.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(RetriableError),
        wait=wait_fixed(RETRY_EVERY_S),
        stop=stop_after_delay(RETRY_FOR_S),
        reraise=True,
    )
    return attempts(ask)


class OffsetLookup:
    """Offsets of partitions and positions of groups. Any thread may ask."""

    def __init__(self, admin: KafkaAdminClient, settings: KafkaSettings) -> None:
        self._admin = admin
        self._settings = settings
        self._identities: dict[str, str] = {}

    def identity(self, topic: str) -> str:
        """What the brokers call the topic: another one for a topic made anew under its name."""
        if topic not in self._identities:
            with translating("asking the brokers for a topic"):
                name = self._settings.topic(topic)
                (described,) = retried(lambda: self._admin.describe_topics([name]))
            self._identities[topic] = str(described["topic_id"])
        return self._identities[topic]

    def forget_identities(self) -> None:
        """Ask anew: while nobody read, topics may have been made anew."""
        self._identities.clear()

    def starts(self, places: Iterable[TopicPartition]) -> Offsets:
        """Offset of the oldest record kept."""
        return self._ask(places, OffsetSpec.EARLIEST, IsolationLevel.READ_UNCOMMITTED)

    def ends(self, places: Iterable[TopicPartition]) -> Offsets:
        """Offset after the last record that a reader of committed records can reach now."""
        return self._ask(places, OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED)

    def written(self, places: Iterable[TopicPartition]) -> Offsets:
        """Offset after the last record written, of open transactions too."""
        return self._ask(places, OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)

    def since(self, at: TopicPartition, timestamp_ms: int) -> int:
        """Offset of the first record of that time or later; the end where there is none."""
        found = self._ask([at], timestamp_ms, IsolationLevel.READ_COMMITTED)[at]
        return found if found >= 0 else self.ends([at])[at]

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """A group's positions in our topics."""
        name, prefix = self._settings.group(group), self._settings.prefix
        with translating("asking the brokers for a group's positions"):
            found = retried(lambda: self._positions(name))
        return {
            TopicPartition(place.topic.removeprefix(prefix), place.partition): position.offset
            for place, position in found.items()
            if place.topic.startswith(prefix) and position.offset >= 0
        }

    def _positions(self, name: str) -> Mapping[Place, OffsetAndMetadata]:
        """The client remembers a group's coordinator for ever, also when another broker took over."""
        try:
            found: Mapping[Place, OffsetAndMetadata]
            found = self._admin.list_group_offsets({name: None})[name]
        except KafkaError:
            self._admin._manager.cluster._coordinators.clear()  # noqa: SLF001 - nothing public does
            raise
        return found

    def _ask(
        self, places: Iterable[TopicPartition], spec: OffsetSpec | int, level: IsolationLevel
    ) -> Offsets:
        asked = {self.place(at): at for at in places}
        with translating(LOOKING):
            specs = dict.fromkeys(asked, spec)
            found = retried(lambda: self._admin.list_partition_offsets(specs, level))
        return {at: found[place].offset for place, at in asked.items()}

    def place(self, at: TopicPartition) -> Place:
        """The partition as the client names it."""
        return Place(self._settings.topic(at.topic), at.partition)

    def ours(self, place: Place) -> TopicPartition:
        """The partition as the port names it."""
        return TopicPartition(place.topic.removeprefix(self._settings.prefix), place.partition)
