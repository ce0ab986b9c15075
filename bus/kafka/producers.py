"""Beginning and ending a producer, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

THREAD_ENDS_WITHIN_S: Final = 1.0  # it may be asleep for longer; then it is ended
Prepare = Callable[[KafkaProducer], object]


def started(make: Callable[[], KafkaProducer], prepare: Prepare) -> KafkaProducer:
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
