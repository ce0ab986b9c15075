"""Opens and closes producers, and runs transactions with a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

THREAD_ENDS_WITHIN_S: Final = 1.0  # it may be asleep for longer; then it is ended
Producer = TypeVar("Producer", bound=KafkaProducer)


class TransactionalProducer(KafkaProducer):  # type: ignore[misc] # kafka-python is untyped
    """kafka-python's, all of whose calls fail after ``max_block_ms``.

    Its own wait without end for a coordinator, also while there is no broker at all, and records do
    not even become too old meanwhile. What became of a call that failed so is not known here: the
    next producer of the name settles it.
    """

    def flush(self, timeout: float | None = None) -> None:
        """Wait until what was sent is in the log or has failed; ``timeout`` in seconds."""
        super().flush(self.config["max_block_ms"] / 1000 if timeout is None else timeout)

    def send_offsets_to_transaction(
        self,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        group_metadata: ConsumerGroupMetadata,
    ) -> None:
        """Make positions part of the transaction."""
        manager = self._transaction_manager
        self._await(manager.send_offsets_to_transaction(offsets, group_metadata))

    def commit_transaction(self) -> None:
        """Commit the transaction at hand."""
        self._await(self._transaction_manager.begin_commit())

    def _await(self, result: Any) -> None:  # noqa: ANN401 - kafka-python's
        self._sender.wakeup()
        if not result.wait(timeout_ms=self.config["max_block_ms"]):
            raise KafkaTimeoutError("the brokers do not answer in time")


class AppendingProducer(KafkaProducer):  # type: ignore[misc] # kafka-python is untyped
    """kafka-python's, which is woken once for many records.

    Its own is woken by the first record for each partition, and begins a request without the rest.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._wake = self._sender.wakeup
        self._sender.wakeup = self._wake_later
        self._gathering = False

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """What is sent in the block goes on its way at its end; for one thread at a time."""
        self._gathering = True
        try:
            yield
        finally:
            self._gathering = False
            self._wake()

    def _wake_later(self) -> None:
        if not self._gathering:
            self._wake()


def started(make: Callable[[], Producer], prepare: Callable[[Producer], object]) -> Producer:
    """A producer for which ``prepare`` went well; none is left behind where it did not."""
    producer = make()
    try:
        prepare(producer)
    except BaseException:
        close_producer(producer, 0)
        raise
    return producer


def is_broken(producer: KafkaProducer) -> bool:
    """Whether it will fail whatever it is given: so it does for ever after some of the errors."""
    return bool(producer._transaction_manager.has_fatal_error())  # noqa: SLF001 - nothing public says it


def close_producer(producer: KafkaProducer, within_s: float) -> None:
    """Finish what was sent, within the time; then fail the rest and end its thread.

    The client's ``close`` raises when something is unfinished after the time, and has then closed
    nothing: its thread would work on for ever, once for each producer that was thrown away.
    """
    try:
        producer.flush(within_s)
        producer.close(min(within_s, THREAD_ENDS_WITHIN_S))
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001 - there is no other way
