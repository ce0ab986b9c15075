"""Transactions that their coordinator has forgotten in some partition: told, and ended.

So brokers may leave one after a crash. It is made here by producers that do not announce a partition
to the coordinator, on a broker that does not verify that.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import pytest
from kafka.admin import KafkaAdminClient
from kafka.admin._transactions import AbortTransactionSpec, PartitionProducerState, ProducerState
from kafka.structs import TopicPartition as Place

from bus.kafka import KafkaLog, KafkaSettings
from bus.kafka.hanging import NOT_OPEN, open_before, perhaps_committed
from bus.kafka.producers import TransactionalProducer, close_producer
from bus.kafka.settings import transaction_options
from bus.port import LogError, Record, TopicPartition
from kafka_dev import SHORT_LIVED, Demands, KafkaDev
from schemas.topics import SNAPSHOTS, STATE
from tests.bus.engines import one_broker

UNVERIFIED = Demands(
    properties={"transaction.partition.verification.enable": "false"}, java_options=SHORT_LIVED
)
AT = TopicPartition(SNAPSHOTS, 0)
PATIENT = {"max_block_ms": 30_000, "delivery_timeout_ms": 30_000}
US: Final = "writers"


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaDev]:
    with KafkaDev(demands=UNVERIFIED) as started:
        yield started


@pytest.fixture
def settings(broker: KafkaDev) -> KafkaSettings:
    return one_broker(
        broker.addresses, prefix=f"t{uuid.uuid4().hex[:8]}.",
        commit_timeout_s=10.0, transaction_timeout_s=2.0,
    )  # fmt: skip


def test_a_stranger_s_hanging_transaction_is_told_with_its_start_and_given_up_by_hand(
    settings: KafkaSettings,
) -> None:
    place = Place(settings.topic(SNAPSHOTS), 0)
    with closing(KafkaLog(replace(settings, commit_timeout_s=1.0))) as log:
        log.append([Record(SNAPSHOTS, "r", "before", b"")])
        _leave_hanging(settings, "ghost", place)
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
        assert _keys(log) == ["before", "after"]


def test_what_a_predecessor_left_hanging_is_undone(settings: KafkaSettings) -> None:
    with closing(KafkaLog(settings)) as log:
        _leave_hanging(settings, US, Place(settings.topic(SNAPSHOTS), 0))
        log.commit(US, {}, [Record(SNAPSHOTS, "r", "after", b"")])
        assert _keys(log) == ["after"]


def test_a_hanging_part_of_what_was_told_as_committed_is_committed(
    settings: KafkaSettings,
) -> None:
    with closing(KafkaLog(settings)) as log:
        _commit_but_for_snapshots(log)
        log._committers[US].doubt()
        log.commit(US, {}, [Record(SNAPSHOTS, "r", "after", b"")])
        assert _keys(log) == ["committed", "after"]


def test_a_hanging_part_of_what_may_be_committed_is_left_to_a_person(
    settings: KafkaSettings,
) -> None:
    with closing(KafkaLog(settings)) as log:
        _commit_but_for_snapshots(log)
    told = r"snapshots/0 since 0 and may be .* in \S+state/0: see"
    with closing(KafkaLog(settings)) as log, pytest.raises(LogError, match=told):
        log.commit(US, {}, [Record(SNAPSHOTS, "r", "after", b"")])


def test_a_client_commits_in_the_epoch_in_which_it_wrote(settings: KafkaSettings) -> None:
    """What ``perhaps_committed`` rests upon; a client that follows KIP-890 would not."""
    place = Place(settings.topic(STATE), 0)
    with closing(KafkaLog(settings)) as log:
        for _ in range(2):
            log.commit(US, {}, [Record(STATE, "r", "k", b"")])
        manager = log._committers[US]._producer._transaction_manager  # type: ignore[union-attr]
        ours = manager.producer_id_and_epoch
        (found,) = log._admin.describe_producers([place])[place].active_producers
    assert (found.producer_id, found.producer_epoch) == (ours.producer_id, ours.epoch)


OPEN, ENDED, OTHER = Place("a", 0), Place("b", 0), Place("c", 0)


@pytest.mark.parametrize(
    ("epoch", "timestamp_ms", "start", "suspected"),
    [
        pytest.param(3, 50, NOT_OPEN, True, id="ended-after"),
        pytest.param(3, 40, NOT_OPEN, True, id="ended-in-the-same-millisecond"),
        pytest.param(3, 39, NOT_OPEN, False, id="not-touched-since-the-one-before"),
        pytest.param(4, 50, NOT_OPEN, False, id="undone-by-a-successor"),
        pytest.param(3, 50, 7, False, id="hangs-too"),
    ],
)
def test_an_end_that_may_be_a_commit(
    *, epoch: int, timestamp_ms: int, start: int, suspected: bool
) -> None:
    producers = {
        OPEN: _producers((9, 3, 40, 5), (8, 3, 40, 6)),
        ENDED: _producers((9, epoch, timestamp_ms, start)),
        OTHER: _producers((8, 3, 60, NOT_OPEN)),
    }
    found = open_before(producers, 9, 4)
    assert [(each.place, each.start) for each in found][:1] == [(OPEN, 5)]
    assert perhaps_committed(producers, found) == ([ENDED] if suspected else [])


def test_each_of_several_that_hang_may_be_committed() -> None:
    """Also one of another epoch than the oldest's."""
    producers = {
        OPEN: _producers((9, 2, 10, 5)),
        OTHER: _producers((9, 3, 40, 5)),
        ENDED: _producers((9, 3, 50, NOT_OPEN)),
    }
    assert perhaps_committed(producers, open_before(producers, 9, 4)) == [ENDED]


def test_what_we_have_open_ourselves_does_not_hang() -> None:
    assert open_before({OPEN: _producers((9, 4, 40, 5))}, 9, 4) == []


def _producers(*each: tuple[int, int, int, int]) -> PartitionProducerState:
    return PartitionProducerState(
        [ProducerState(who, epoch, 0, at_ms, 0, start) for who, epoch, at_ms, start in each]
    )


def _keys(log: KafkaLog) -> list[str | None]:
    return [stored.key for stored in log.load(AT)]


def _commit_but_for_snapshots(log: KafkaLog) -> None:
    """A commit that returns, of which one partition hears nothing."""
    log._committer(US).settle()
    manager = log._committers[US]._producer._transaction_manager  # type: ignore[union-attr]
    _say_nothing_of(manager, log.settings.topic(SNAPSHOTS))
    records = [Record(STATE, "r", "k", b""), Record(SNAPSHOTS, "r", "committed", b"")]
    log.commit(US, {}, records)


def _leave_hanging(settings: KafkaSettings, group: str, place: Place) -> None:
    producer = TransactionalProducer(**transaction_options(settings, group) | PATIENT)
    try:
        producer.init_transactions()
        producer.begin_transaction()
        _say_nothing_of(producer._transaction_manager, place.topic)
        producer.send(place.topic, b"", key=b"hidden", partition=0).get(30)
    finally:
        close_producer(producer, 0)


def _say_nothing_of(manager: Any, topic: str) -> None:
    announce, is_allowed = (
        manager.maybe_add_partition_to_transaction, manager.is_send_to_partition_allowed
    )  # fmt: skip
    manager.maybe_add_partition_to_transaction = lambda at: at.topic != topic and announce(at)
    manager.is_send_to_partition_allowed = lambda at: at.topic == topic or is_allowed(at)
