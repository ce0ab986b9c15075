"""Topics on the brokers, made and checked from the table in ``schemas.topics``.

What a topic must be is computed, compared and reported as values; only :func:`ensure` talks to the
brokers. A difference that would lose or reorder records refuses the start; another is reported
with the command that mends it. Nothing that exists is ever changed from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import structlog
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from bus.kafka.errors import translated, translating
from bus.kafka.settings import KafkaSettings
from bus.port import LogError
from schemas.topics import DAY_S, MAX_RECORD_BYTES, Topic

MOST_MESSAGE_BYTES: Final = MAX_RECORD_BYTES + 100_000
"""Largest batch that a topic takes: the largest record and what the wire adds to it."""

SHORT_S: Final = 31 * DAY_S
"""What is kept for so long at most is let go within a day of its time. Brokers remove whole segments
only, and fill one for a week by default."""

MAKING: Final = "making the topics"
SIZE_LIMIT: Final = "max.message.bytes"
_GRAVE: Final = frozenset({"partitions", "cleanup.policy"})


class TopicDifference(NamedTuple):
    """A topic that is not as the table says, and what mends it."""

    topic: str
    setting: str
    wanted: str
    found: str

    @property
    def grave(self) -> bool:
        """Whether records would be lost, or land in the wrong partition."""
        return self.setting in _GRAVE

    def __str__(self) -> str:
        return (
            f"topic {self.topic}: {self.setting} is {self.found}, not {self.wanted}; {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if self.setting == "partitions":
            return "routes would change their partition: use the number that is there"
        if self.setting == "replication":
            return "reassign it with kafka-reassign-partitions.sh, or set the number that is there"
        return (
            f"kafka-configs.sh --alter --entity-type topics --entity-name {self.topic} "
            f"--add-config {self.setting}={self.wanted}"
        )


def wanted_configs(topic: Topic, settings: KafkaSettings) -> dict[str, str]:
    """The topic's settings on the brokers."""
    kept = topic.retention_s
    is_short = kept is not None and kept <= SHORT_S
    return {
        **({"segment.ms": str(DAY_S * 1000)} if is_short else {}),
        "cleanup.policy": "compact" if kept is None else "delete",
        "retention.ms": "-1" if kept is None else str(kept * 1000),
        "retention.bytes": "-1",
        SIZE_LIMIT: str(MOST_MESSAGE_BYTES),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(settings.min_insync),
        "unclean.leader.election.enable": "false",
    }


def differences(
    topic: Topic, settings: KafkaSettings, description: Mapping[str, Any], found: Mapping[str, str]
) -> Iterator[TopicDifference]:
    """Where a topic that exists is not as wanted."""
    name = settings.topic(topic.name)
    partitions = description["partitions"]
    shape = {
        "partitions": (settings.partitions, len(partitions)),
        "replication": (settings.replication, min(len(p["replica_nodes"]) for p in partitions)),
    }
    for setting, (wanted, there) in shape.items():
        if wanted != there:
            yield TopicDifference(name, setting, str(wanted), str(there))
    for setting, value in wanted_configs(topic, settings).items():
        if found.get(setting, value) != value:
            yield TopicDifference(name, setting, value, found[setting])


def ensure(
    admin: KafkaAdminClient,
    settings: KafkaSettings,
    table: Sequence[Topic],
    *,
    may_make: bool = True,
) -> list[TopicDifference]:
    """Make the topics that are not there, compare the others.

    Raises LogError for grave differences, and for topics that are not there and may not be made; where
    it is the brokers that do not let us, it says what somebody else is to make.
    """
    with translating(MAKING):
        by_name = {settings.topic(topic.name): topic for topic in table}
        there = set(admin.list_topics()) & set(by_name)
        missing = [name for name in by_name if name not in there]
        if missing and not may_make:
            raise LogError(f"there is no topic {missing[0]}: is it another prefix, or cluster?")
        if missing:
            _create(admin, settings, {name: by_name[name] for name in missing})
        found = _compared(admin, settings, {name: by_name[name] for name in there})
    for difference in found:
        structlog.get_logger().warning("topic_differs", difference=str(difference))
    if grave := [difference for difference in found if difference.grave]:
        raise LogError("\n".join(str(difference) for difference in grave))
    return found


def _create(admin: KafkaAdminClient, settings: KafkaSettings, topics: Mapping[str, Topic]) -> None:
    wanted = {
        name: {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication,
            "configs": wanted_configs(topic, settings),
        }
        for name, topic in topics.items()
    }
    try:
        admin.create_topics(wanted, wait_for_metadata=True)
    except TopicAlreadyExistsError:  # another process of the installation was quicker
        admin.wait_for_topics(list(wanted))
    except AuthorizationError as error:
        commands = [_making(name, topic, settings) for name, topic in topics.items()]
        raise LogError(
            "\n".join([f"{translated(error, MAKING)}: with rights, make", *commands])
        ) from None


def _making(name: str, topic: Topic, settings: KafkaSettings) -> str:
    """The command of whoever may make the topic."""
    configs = (f" --config {key}={value}" for key, value in wanted_configs(topic, settings).items())
    return (
        f"kafka-topics.sh --create --topic {name} --partitions {settings.partitions} "
        f"--replication-factor {settings.replication}" + "".join(configs)
    )


def _compared(
    admin: KafkaAdminClient, settings: KafkaSettings, topics: Mapping[str, Topic]
) -> list[TopicDifference]:
    if not topics:
        return []
    described = {each["name"]: each for each in admin.describe_topics(list(topics))}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    configs = admin.describe_configs(asked, config_filter=ConfigFilterType.ALL)["topic"]
    return [
        difference
        for name, topic in topics.items()
        for difference in differences(
            topic, settings, described[name],
            {key: str(row["value"]) for key, row in configs[name].items()},
        )
    ]  # fmt: skip
