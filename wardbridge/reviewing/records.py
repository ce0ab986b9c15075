"""Review items and steps, as the log has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from adapters.common.feed import FeedIdentity
from adapters.common.review import OpenItem, waiting
from bus.port import Log, TopicPartition
from bus.records import parsed
from schemas import topics
from schemas.base import Frozen
from schemas.review import ReviewItem, ReviewStep, is_open

Model = TypeVar("Model", bound=Frozen)


class ReviewedItem(NamedTuple):
    """An item, what was done about it, oldest first, and whether it is open still."""

    item: ReviewItem
    steps: Sequence[ReviewStep]
    is_open: bool


def known_in(log: Log, partition: int) -> Iterator[ReviewedItem]:
    """Every item kept in a partition, as the log took them. Raises LogError."""
    steps: defaultdict[str, list[ReviewStep]] = defaultdict(list)
    for step in _rows(log, topics.REVIEWED, partition, ReviewStep):
        steps[step.item].append(step)
    for item in _rows(log, topics.REVIEW, partition, ReviewItem):
        own = sorted(steps.get(item.id, ()), key=lambda step: step.at)
        yield ReviewedItem(item, own, is_open(item, own))


def every(log: Log) -> Iterator[ReviewedItem]:
    """Every item kept. Raises LogError."""
    for partition in range(log.partitions(topics.REVIEW)):
        yield from known_in(log, partition)


def open_items(log: Log, realm: str) -> Iterator[ReviewItem]:
    """Those of a realm that wait for somebody. Raises LogError."""
    partition = log.partition_of(topics.REVIEW, realm)
    known = (each for each in known_in(log, partition) if each.is_open)
    return (each.item for each in known if each.item.realm == realm)


def open_statements(log: Log, feed: FeedIdentity) -> Iterator[OpenItem]:
    """The open items of the feed that are about a statement. Raises LogError."""
    for item in open_items(log, feed.realm):
        if item.feed == feed.name and item.statement:
            yield waiting(item)


def _rows(log: Log, topic: str, partition: int, model: type[Model]) -> Iterator[Model]:
    for stored in log.load(TopicPartition(topic, partition)):
        row = parsed(model, stored)
        if row is not None:
            yield row
