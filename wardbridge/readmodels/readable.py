"""Applies records one by one, so that a record which cannot be read affects no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from bus.port import Stored

Taken = TypeVar("Taken")


class Readable:
    """Counts what was passed over, and says in the journal where it lies.

    Anybody with the right to write to a topic may have written it. Nothing of it is said: it may name a patient.
    """

    def __init__(self) -> None:
        self.passed_over = 0

    def each(self, take: Callable[[Stored], Taken], records: Iterable[Stored]) -> list[Taken]:
        """What ``take`` makes of each record; it raises ValueError of one that it cannot read."""
        found: list[Taken] = []
        for record in records:
            try:
                found.append(take(record))
            except ValueError as error:
                self.passed_over += 1
                structlog.get_logger().error(
                    "record_unreadable", topic=record.topic, partition=record.partition,
                    offset=record.offset, reason=type(error).__name__,
                )  # fmt: skip
        return found
