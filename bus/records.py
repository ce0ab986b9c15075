"""Reads everything that a topic keeps, without a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from bus.port import Log, Stored, TopicPartition

SCAN_RECORDS: Final = 1_000
Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], stored: Stored) -> Model | None:
    """A record's value; None for one that is removed, or that this version cannot read.

    Anybody with the right to write to a topic may have written it: one record costs itself.
    """
    if stored.value is None:
        return None
    try:
        return model.model_validate_json(stored.value)
    except ValidationError:
        return None


def records_of(log: Log, topic: str, route: str | None = None) -> Iterator[Stored]:
    """Every record kept, oldest first in each partition; with a route only in its. Raises LogError."""
    numbers = range(log.partitions(topic))
    for number in numbers if route is None else [log.partition_of(topic, route)]:
        at, offset = TopicPartition(topic, number), log.starts(topic)[number]
        while found := log.scan(at, offset, SCAN_RECORDS):
            yield from found
            offset = found[-1].offset + 1
