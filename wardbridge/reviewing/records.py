"""Review items and steps, as the log has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from adapters.common.feed import FeedIdentity
from bus.port import Log, Stored, TopicPartition
from schemas import topics
from schemas.base import Frozen
from schemas.review import ReviewItem, ReviewStep, is_open

Model = TypeVar("Model", bound=Frozen)


def parsed(model: type[Model], stored: Stored) -> Model | None:
    """A record's value; None for one that is removed, or that this version cannot read."""
    if stored.value is None:
        return None
    try:
        return model.model_validate_json(stored.value)
    except ValidationError:
        return None


def items_of(log: Log, realm: str) -> Iterator[ReviewItem]:
    """Every item kept of a realm's partition, as the log took them. Raises LogError."""
    return _rows(log, topics.REVIEW, realm, ReviewItem)


def steps_of(log: Log, realm: str) -> Mapping[str, Sequence[ReviewStep]]:
    """Every step kept of a realm's partition, by item, oldest first. Raises LogError."""
    found: defaultdict[str, list[ReviewStep]] = defaultdict(list)
    for step in _rows(log, topics.REVIEWED, realm, ReviewStep):
        found[step.item].append(step)
    return {item: sorted(steps, key=lambda step: step.at) for item, steps in found.items()}


def open_items(log: Log, realm: str) -> Iterator[ReviewItem]:
    """Those that wait for somebody. Raises LogError."""
    steps = steps_of(log, realm)
    return (item for item in items_of(log, realm) if is_open(item, steps.get(item.id, ())))


def open_statements(log: Log, feed: FeedIdentity) -> Iterator[tuple[str, str]]:
    """Statement and id of each item of the feed that is open. Raises LogError."""
    for item in open_items(log, feed.realm):
        if item.feed == feed.name and item.statement:
            yield item.statement, item.id


def _rows(log: Log, topic: str, realm: str, model: type[Model]) -> Iterator[Model]:
    at = TopicPartition(topic, log.partition_of(topic, realm))
    for stored in log.load(at):
        row = parsed(model, stored)
        if row is not None:
            yield row
