"""One real broker for all tests of a run, started by the first that needs it.

A broker that cannot be had fails the tests that need it, with the message of what to install: a
run without Kafka proves nothing about Kafka and must not look as if it did.
"""

from __future__ import annotations

import atexit
from functools import cache

from kafka_dev import KafkaDev


@cache
def cluster() -> KafkaDev:
    """The run's broker; it ends with the run."""
    started = KafkaDev().__enter__()
    atexit.register(started.stop)
    return started


def brokers() -> list[str]:
    """Where it listens."""
    return cluster().addresses
