"""Topics on the brokers: made as the table says, compared, never changed from here."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from bus.kafka import KafkaSettings
from bus.kafka.topics import TopicDifference, differences, ensure, wanted_configs
from bus.port import LogError
from schemas.topics import DAY_S, MAX_RECORD_BYTES, RAW, STATE, TICKS, TOPICS
from tests.bus.engines import one_broker
from tests.support.kafka import alter_topic, brokers

BY_NAME = {topic.name: topic for topic in TOPICS}
SETTINGS = KafkaSettings(("nowhere:9092",), prefix="p.", partitions=2, replication=1, min_insync=1)
AS_WANTED = {"partitions": [{"replica_nodes": [1]}] * 2}


def changed(**configs: str) -> dict[str, str]:
    return wanted_configs(BY_NAME[STATE], SETTINGS) | configs


@pytest.mark.parametrize(
    ("description", "found", "expected"),
    [
        (AS_WANTED, changed(), []),
        ({"partitions": [{"replica_nodes": [1]}] * 3}, changed(), [("partitions", True)]),
        ({"partitions": [{"replica_nodes": [1, 2]}] * 2}, changed(), [("replication", False)]),
        (AS_WANTED, changed(**{"cleanup.policy": "delete"}), [("cleanup.policy", True)]),
        (AS_WANTED, changed(**{"max.message.bytes": "1000"}), [("max.message.bytes", False)]),
        (AS_WANTED, changed(**{"retention.ms": "1000"}), [("retention.ms", False)]),
        (AS_WANTED, changed(**{"min.insync.replicas": "3"}), [("min.insync.replicas", False)]),
    ],
    ids=["as wanted", "partitions", "replication", "compaction", "size", "retention", "insync"],
)
def test_a_difference_is_named_with_its_remedy(
    description: dict[str, Any], found: dict[str, str], expected: list[tuple[str, bool]]
) -> None:
    there = list(differences(BY_NAME[STATE], SETTINGS, description, found))
    assert [(each.setting, each.grave) for each in there] == expected


def test_the_remedy_is_a_command_with_names_and_values() -> None:
    text = str(TopicDifference("p.raw", "retention.ms", "1209600000", "1000"))
    assert "retention.ms is 1000, not 1209600000" in text
    assert "--entity-name p.raw --add-config retention.ms=1209600000" in text


def test_what_is_kept_by_time_and_what_by_key() -> None:
    raw, state = (wanted_configs(BY_NAME[name], SETTINGS) for name in (RAW, STATE))
    assert (raw["cleanup.policy"], raw["retention.ms"]) == ("delete", str(14 * 86_400_000))
    assert (state["cleanup.policy"], state["retention.ms"]) == ("compact", "-1")
    assert int(raw["max.message.bytes"]) > MAX_RECORD_BYTES


def test_what_is_kept_for_a_month_at_most_is_let_go_a_day_later_at_most() -> None:
    closed = {
        name: wanted_configs(topic, SETTINGS).get("segment.ms")
        for name, topic in {
            **BY_NAME,
            "month": BY_NAME[RAW]._replace(retention_s=31 * DAY_S),
        }.items()
    }
    daily = {name for name, closes in closed.items() if closes == "86400000"}
    assert daily == {RAW, TICKS, "month"}
    assert {closes for name, closes in closed.items() if name not in daily} == {None}


@pytest.fixture
def admin() -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=brokers())
    yield client
    client.close()


def test_topics_are_made_once_and_are_as_wanted_afterwards(admin: KafkaAdminClient) -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=3)
    assert ensure(admin, settings, TOPICS) == []
    assert {settings.topic(topic.name) for topic in TOPICS} <= set(admin.list_topics())
    assert ensure(admin, settings, TOPICS) == []


def test_another_number_of_partitions_refuses_the_start(admin: KafkaAdminClient) -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=2)
    ensure(admin, settings, TOPICS)
    with pytest.raises(LogError, match="partitions is 2, not 4"):
        ensure(admin, replace(settings, partitions=4), TOPICS)


def test_another_retention_is_reported_and_left_alone(admin: KafkaAdminClient) -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.")
    ensure(admin, settings, TOPICS)
    name = settings.topic(RAW)
    alter_topic(admin, name, "retention.ms", "60000")
    (found,) = ensure(admin, settings, TOPICS)
    assert (found.topic, found.setting, found.found) == (name, "retention.ms", "60000")
    assert ensure(admin, settings, TOPICS) == [found]


def test_who_only_reads_makes_no_topic(admin: KafkaAdminClient) -> None:
    settings = one_broker(brokers(), prefix=f"t{uuid.uuid4().hex[:8]}.")
    with pytest.raises(LogError, match="there is no topic"):
        ensure(admin, settings, TOPICS, may_make=False)
    assert not [name for name in admin.list_topics() if name.startswith(settings.prefix)]
