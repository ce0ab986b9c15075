"""A transaction that its coordinator does not know: named by where it begins, and given up by hand.

So brokers may keep one after a crash (KIP-664). It is made here by a producer that does not announce
the partition to the coordinator, on a broker that does not verify that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka.admin import KafkaAdminClient
from kafka.admin._transactions import AbortTransactionSpec
from kafka.structs import TopicPartition as Place

from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.producers import TransactionalProducer, close_producer
from bus.kafka.settings import transaction_options
from bus.port import LogError, Record, TopicPartition
from kafka_dev import Demands, KafkaDev
from schemas.topics import SNAPSHOTS
from tests.bus.engines import one_broker

UNVERIFIED = Demands(properties={"transaction.partition.verification.enable": "false"})
AT = TopicPartition(SNAPSHOTS, 0)
PATIENT = {"max_block_ms": 30_000, "delivery_timeout_ms": 30_000}


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    with KafkaDev(demands=UNVERIFIED) as broker:
        yield one_broker(broker.addresses, commit_timeout_s=1.0, transaction_timeout_s=2.0)


def test_a_hanging_transaction_is_told_with_its_start_and_given_up(settings: KafkaSettings) -> None:
    place = Place(settings.topic(SNAPSHOTS), 0)
    with closing(KafkaLog(settings)) as log:
        log.append([Record(SNAPSHOTS, "r", "before", b"")])
        _leave_hanging(settings, place)
        log.append([Record(SNAPSHOTS, "r", "after", b"")])
        with pytest.raises(LogError, match=r"snapshots/0 ends at 3, .* transaction open since 1"):
            log.load(AT)
        with pytest.raises(LogError, match=r"snapshots/0: .* transaction is still open .* 1"):
            log.scan(AT, 1, 10)
        with closing(KafkaAdminClient(bootstrap_servers=list(settings.brokers))) as admin:
            (hanging,) = [
                each
                for each in admin.describe_producers([place])[place].active_producers
                if each.current_transaction_start_offset == 1
            ]
            admin.abort_transaction(
                AbortTransactionSpec(place, hanging.producer_id, hanging.producer_epoch)
            )
        assert [stored.key for stored in log.load(AT)] == ["before", "after"]


def _leave_hanging(settings: KafkaSettings, place: Place) -> None:
    producer = TransactionalProducer(**transaction_options(settings, "ghost") | PATIENT)
    try:
        producer.init_transactions()
        producer.begin_transaction()
        manager = producer._transaction_manager
        manager.maybe_add_partition_to_transaction = lambda _: None
        manager.is_send_to_partition_allowed = lambda _: True
        producer.send(place.topic, b"", key=b"hidden", partition=0).get(30)
    finally:
        close_producer(producer, 0)
