"""Ends transactions of ours whose end the brokers have lost.

A coordinator of Kafka 4.3 that is to write a transaction's end into a partition that has no leader at
that moment takes the partition for deleted and counts the transaction as ended: so after all brokers
were away at once (seen with one broker killed amid a commit, once in six times). Nobody then reads
committed records past its beginning, and a group's positions within it are refused for ever.

That a transaction hangs is certain where a producer that was started after it, under the same
transactional id, has its answer: the coordinator gives that only when it has ended everything older.
How it is to end is what was told: committed when ``commit`` returned, else undone. Where that is not
known any more, because the process was another one, it is undone too, unless a partition shows that
its part of it was ended as a commit may have been: then a person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import structlog
from kafka.admin import KafkaAdminClient
from kafka.admin._transactions import AbortTransactionSpec
from kafka.errors import AuthorizationError
from kafka.structs import TopicPartition as Place

from bus.kafka.errors import translating
from bus.kafka.offsets import retried
from bus.port import LogError

POSITIONS: Final = "__consumer_offsets"
NOT_OPEN: Final = -1

Producers = Mapping[Place, Any]


class Hanging(NamedTuple):
    """An open transaction in one partition; ``start`` is its first offset there."""

    place: Place
    producer_id: int
    epoch: int
    coordinator_epoch: int
    last_timestamp_ms: int
    start: int

    def __str__(self) -> str:
        return f"{self.place.topic}/{self.place.partition} since {self.start}"


class Ender:
    """Looks in the partitions that transactions of ours may touch, and writes ends."""

    def __init__(self, admin: KafkaAdminClient, places: Iterable[Place]) -> None:
        self._admin = admin
        self._places = frozenset(places)

    def end(self, producer_id: int, epoch: int, committed: int | None) -> None:
        """End what older epochs of the producer left open; ``committed``: whose commit returned.

        Raises LogError when the brokers do not answer, or the end of one cannot be known.
        """
        with translating("looking for transactions that hang"):
            try:
                self._end(producer_id, epoch, committed)
            except AuthorizationError:
                structlog.get_logger().warning("cannot_end_hanging_transactions")

    def _end(self, producer_id: int, epoch: int, committed: int | None) -> None:
        producers = retried(self._producers)
        found = open_before(producers, producer_id, epoch)
        unknown = [each for each in found if each.epoch != committed]
        if ended := perhaps_committed(producers, unknown):
            raise LogError(undecided(unknown, ended))
        for each in found:
            is_committed = each.epoch == committed
            # Undone under the epoch of now: so it is told from one that was committed.
            self._write(each, each.epoch if is_committed else epoch, committed=is_committed)

    def _producers(self) -> Producers:
        described = self._admin.describe_topics([POSITIONS])
        positions = {
            Place(POSITIONS, each["partition_index"])
            for topic in described
            for each in topic["partitions"]
        }
        found: Producers = self._admin.describe_producers(self._places | positions)
        return found

    def _write(self, hanging: Hanging, epoch: int, *, committed: bool) -> None:
        spec = AbortTransactionSpec(
            hanging.place, hanging.producer_id, epoch, max(hanging.coordinator_epoch, 0)
        )
        self._admin._manager.run(self._send, spec, committed)  # noqa: SLF001 - abort only is public
        structlog.get_logger().error(
            "hanging_transaction_ended", topic=hanging.place.topic,
            partition=hanging.place.partition, offset=hanging.start, committed=committed,
        )  # fmt: skip

    async def _send(self, spec: AbortTransactionSpec, committed: bool) -> None:  # noqa: FBT001
        admin = self._admin
        request = admin._abort_transaction_request(spec)  # noqa: SLF001
        request.markers[0].transaction_result = committed
        (leader,) = await admin._async_get_leader_for_partitions([spec.topic_partition])  # noqa: SLF001
        response = await admin._manager.send(request, node_id=leader)  # noqa: SLF001
        admin._abort_transaction_process_response(response, spec)  # noqa: SLF001


def open_before(producers: Producers, producer_id: int, epoch: int) -> list[Hanging]:
    """The producer's open transactions of epochs before that one."""
    return [
        Hanging(
            place, each.producer_id, each.producer_epoch, each.coordinator_epoch,
            each.last_timestamp, each.current_transaction_start_offset,
        )
        for place, state in sorted(producers.items())
        for each in state.active_producers
        if each.producer_id == producer_id
        and each.producer_epoch < epoch
        and each.current_transaction_start_offset != NOT_OPEN
    ]  # fmt: skip


def perhaps_committed(producers: Producers, hanging: Iterable[Hanging]) -> list[Place]:
    """Partitions in which a transaction of those has ended, and not surely undone.

    An end has the time at which the brokers wrote it, so it is not before what it ends. kafka-python
    commits in the epoch in which it wrote; the brokers and this module undo in a later one.
    """
    first_ms: dict[tuple[int, int], int] = {}
    for each in hanging:
        known_ms = first_ms.setdefault((each.producer_id, each.epoch), each.last_timestamp_ms)
        first_ms[each.producer_id, each.epoch] = min(known_ms, each.last_timestamp_ms)
    return [
        place
        for place, state in sorted(producers.items())
        for each in state.active_producers
        if (at_ms := first_ms.get((each.producer_id, each.producer_epoch))) is not None
        and each.current_transaction_start_offset == NOT_OPEN
        and each.last_timestamp >= at_ms
    ]


def undecided(hanging: Iterable[Hanging], ended: Iterable[Place]) -> str:
    """What is told to a person."""
    return (
        f"a transaction hangs in {', '.join(map(str, hanging))} and may be committed in "
        f"{', '.join(f'{place.topic}/{place.partition}' for place in ended)}: "
        "see 'Lost broker' in the runbook"
    )
