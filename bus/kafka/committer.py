"""Commits: outputs, state and positions of one group, in one transaction of its own producer.

Order: begin, send every record, add the positions with the group's generation, see that every record
is there, commit. Left to itself kafka-python (3.0.12) commits a transaction without the records that
it gave up after their delivery time-out: positions without their outputs, which nobody would miss. A
commit whose outcome is not known is settled before anything else happens in the group: the producer is
thrown away and a new one under the same transactional id makes the brokers finish or undo what the
old one left (what they forget of it is ended by ``bus.kafka.hanging``). So whoever reads positions
afterwards reads final ones.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kafka import KafkaProducer
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata
from kafka.structs import TopicPartition as Place

from bus.kafka.appender import Wire
from bus.kafka.errors import CLIENT_ERRORS, translated, translating
from bus.kafka.producers import close_producer, started
from bus.kafka.watchdog import Watchdog
from bus.port import LogError, LogFencedError

EndOlder = Callable[[int, int, int | None], None]
"""Given a producer's id and epoch, and the epoch before it whose last commit returned, if any."""

CLOSE_WITHIN_S: Final = 1.0


class Committer:
    """The transactions of one group; one at a time."""

    def __init__(
        self,
        group: str,
        make: Callable[[], KafkaProducer],
        watchdog: Watchdog,
        end_older: EndOlder,
    ) -> None:
        self._group = group
        self._make = make
        self._end_older = end_older
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._identity: Any = None  # the producer's id and epoch, when it was made
        self._committed: int | None = (
            None  # the epoch, where the last commit that it began returned
        )
        self._fenced = False
        self._closed = False

    def settle(self) -> None:
        """Have a producer, and with it no transaction of a predecessor that is still open."""
        with self._lock:
            self._ready()

    def doubt(self) -> None:
        """Brokers were away: what they have told may not have come to its end in every partition."""
        with self._lock:
            self._discard(0)

    def commit(
        self,
        positions: Mapping[Place, int],
        records: Sequence[Wire],
        metadata: ConsumerGroupMetadata,
    ) -> None:
        """All or nothing. Raises LogFencedError when a newer owner took over."""
        with self._lock, self._watchdog.watching(f"a commit of {self._group}"):
            producer = self._ready()
            try:
                _run(producer, positions, records, metadata)
                self._committed = self._identity.epoch
            except CLIENT_ERRORS as error:
                if self._may_have_begun(producer):
                    self._committed = None
                raise self._undone(producer, error) from None

    def close(self) -> None:
        """Release the producer. Idempotent."""
        with self._lock:
            self._closed = True
            self._discard(CLOSE_WITHIN_S)

    def _ready(self) -> KafkaProducer:
        if self._closed:
            raise LogError("the log is closed")
        if self._fenced:
            raise LogFencedError(f"another process took over {self._group}: this one must end")
        if self._producer is None:
            with self._watchdog.watching(f"the start of transactions of {self._group}"):
                self._producer = self._started()
        return self._producer

    def _started(self) -> KafkaProducer:
        with translating(f"starting transactions of {self._group}"):
            return started(self._make, self._prepare)

    def _prepare(self, producer: KafkaProducer) -> None:
        producer.init_transactions()
        ours = producer._transaction_manager.producer_id_and_epoch  # noqa: SLF001 - as below
        self._end_older(ours.producer_id, ours.epoch, self._committed)
        self._identity, self._committed = ours, None

    def _may_have_begun(self, producer: KafkaProducer) -> bool:
        """Whether the brokers may have part of the transaction; else what they have is the one before.

        The client forgets that it had begun when it asks for another epoch.
        """
        manager = producer._transaction_manager  # noqa: SLF001 - nothing public says it
        return bool(manager._transaction_started) or manager.producer_id_and_epoch != self._identity  # noqa: SLF001

    def _undone(self, producer: KafkaProducer, error: Exception) -> LogError:
        """The error to raise, after a producer whose state is unknown is gone."""
        told = translated(_cause(producer, error), f"a commit of {self._group}")
        self._fenced = isinstance(told, LogFencedError)
        self._discard(0)
        if not self._fenced:
            with contextlib.suppress(LogError):  # else the next call settles it
                self._ready()
        return told

    def _discard(self, within_s: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, within_s)


def _run(
    producer: KafkaProducer,
    positions: Mapping[Place, int],
    records: Sequence[Wire],
    metadata: ConsumerGroupMetadata,
) -> None:
    producer.begin_transaction()
    futures = [producer.send(*record[:4], partition=record.partition) for record in records]
    if positions:
        offsets = {at: OffsetAndMetadata(offset, "", -1) for at, offset in positions.items()}
        producer.send_offsets_to_transaction(offsets, metadata)
    producer.flush()
    _check(futures)
    producer.commit_transaction()


def _check(futures: Sequence[Any]) -> None:
    """Raises the error of a record that is not in the log."""
    for future in futures:
        future.get(0)


def _cause(producer: KafkaProducer, error: Exception) -> Exception:
    """What put the producer into its error state; the client wraps it into text."""
    last = producer._transaction_manager.last_error  # noqa: SLF001 - it has no public name
    return last if isinstance(last, Exception) else error
