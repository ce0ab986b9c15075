"""The rights that the documentation gives are enough, and no more than what they are for.

The commands are read from docs/operating.md and carried out on a broker that checks rights.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from kafka import KafkaConsumer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from kafka.structs import TopicPartition as Place
from structlog.testing import capture_logs

from bus.kafka import KafkaLog, KafkaSettings, Sasl
from bus.port import LogError, Record, TopicPartition
from kafka_dev import SHORT_LIVED, Demands, KafkaDev
from schemas.topics import DESIGNATIONS, OBSERVATIONS, PATIENTS, RAW, TOPICS, own_topic
from tests.bus.engines import one_broker

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "operating.md"
USERS: Final = ("wardbridge", "portal", "coordination", "stranger")
GROUP: Final = "router"
RAW_TOPIC: Final = next(topic for topic in TOPICS if topic.name == RAW)
NOTICE: Final = b'{"data": {}, "dataschema": "urn:wardbridge:notification:1"}'
FROM_START: Final = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
LOGIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
DEMANDS: Final = Demands(
    {"PLAIN": "SASL_PLAINTEXT"},
    {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": f"{LOGIN} required "
        + " ".join(f'user_{user}="{user}"' for user in USERS)
        + ";",
    },
    java_options=SHORT_LIVED,
)


def granted() -> list[ACL]:
    """What the document's ``kafka-acls.sh`` lines grant."""
    lines = re.findall(r"^kafka-acls\.sh (.*)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return [acl for line in lines for acl in acls(shlex.split(line))]


def acls(words: list[str]) -> Iterator[ACL]:
    """One line's."""
    values = dict(pairwise(words))
    (kind,) = {"--topic", "--group", "--transactional-id", "--cluster"} & set(words)
    resource = ResourceType[kind.removeprefix("--").replace("-", "_").upper()]
    name = "kafka-cluster" if kind == "--cluster" else values[kind]
    pattern = ACLResourcePatternType[values.get("--resource-pattern-type", "literal").upper()]
    for word, operation in pairwise(words):
        if word == "--operation":
            named = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()
            yield ACL(
                values["--allow-principal"], "*", ACLOperation[named], ACLPermissionType.ALLOW,
                ResourcePattern(resource, name, pattern),
            )  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> Iterator[KafkaSettings]:
    with KafkaDev(demands=DEMANDS) as broker:
        with closing(KafkaAdminClient(bootstrap_servers=broker.addresses)) as admin:
            admin.create_acls(granted())
        yield one_broker([broker.brokers[0].address("PLAIN")], sasl=as_user("wardbridge"))


def as_user(name: str) -> Sasl:
    return Sasl("PLAIN", name, name)


def test_the_bridge_has_what_it_needs(settings: KafkaSettings) -> None:
    with capture_logs() as said, closing(KafkaLog(settings)) as log:
        log.append([Record(OBSERVATIONS, "r", "k", b"in")])
        batch = log.read(GROUP, [OBSERVATIONS], 10, 30)
        log.commit(GROUP, batch.positions, [Record(DESIGNATIONS, "w", "w", NOTICE)])
        log._committers[GROUP].doubt()
        log.commit(GROUP, {}, [Record(DESIGNATIONS, "w", "w", NOTICE)])
        assert log.committed(GROUP)[TopicPartition(OBSERVATIONS, 0)] == 1
    assert [each["event"] for each in said] == []


def test_a_stranger_has_nothing(settings: KafkaSettings) -> None:
    with pytest.raises(LogError, match="the brokers do not allow us this"):
        KafkaLog(replace(settings, sasl=as_user("stranger")))


def test_what_may_not_be_made_is_told_as_a_command_for_whoever_may(settings: KafkaSettings) -> None:
    with pytest.raises(LogError, match="the brokers do not allow us this") as caught:
        KafkaLog(replace(settings, sasl=as_user("stranger")), [RAW_TOPIC])
    (command,) = str(caught.value).splitlines()[1:]
    assert command.startswith("kafka-topics.sh --create --topic wardbridge.raw --partitions 1 ")
    assert "--config retention.ms=1209600000" in command


def test_a_subscriber_reads_its_own_topic_and_no_other(settings: KafkaSettings) -> None:
    names = [own_topic(name) for name in ("coordination", "coordination2", "portal")]
    with closing(KafkaLog(settings)), closing(KafkaLog(settings, names)) as log:
        log.append([Record(topic.name, "w", "w", NOTICE) for topic in names])
    own, *others = [Place(settings.topic(topic.name), 0) for topic in names]
    others += [Place(settings.topic(name), 0) for name in (DESIGNATIONS, PATIENTS, RAW)]
    options = as_user_of_kafka(settings, "coordination") | FROM_START
    with closing(KafkaConsumer(**options, group_id="coordination.1")) as reader:
        reader.assign([own])
        assert reader.poll(timeout_ms=20_000)[own]
        reader.commit()
        for place in others:
            reader.assign([place])
            with pytest.raises(TopicAuthorizationFailedError):
                reader.poll(timeout_ms=20_000)
    with closing(KafkaAdminClient(**as_user_of_kafka(settings, "coordination"))) as admin:
        assert admin.list_topics() == [own.topic]


def test_a_downstream_system_reads_notices_and_nothing_else(settings: KafkaSettings) -> None:
    with closing(KafkaLog(settings)) as log:
        log.commit(GROUP, {}, [Record(DESIGNATIONS, "w", "w", NOTICE)])
    place = Place(settings.topic(DESIGNATIONS), 0)
    with closing(
        KafkaConsumer(**as_user_of_kafka(settings, "portal"), group_id="portal.1", **FROM_START)
    ) as reader:
        reader.assign([place])
        assert reader.poll(timeout_ms=20_000)[place]
        reader.commit()
    with closing(KafkaAdminClient(**as_user_of_kafka(settings, "portal"))) as admin:
        assert admin.list_topics() == [place.topic]
        with pytest.raises(GroupAuthorizationFailedError):
            admin.list_group_offsets({settings.group(GROUP): None})


def as_user_of_kafka(settings: KafkaSettings, name: str) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(settings.brokers),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": name,
        "sasl_plain_password": name,
    }
