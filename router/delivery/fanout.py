"""Each notification to the queue of every subscriber that wants it, in one commit.

Wards order the notifications, subscribers the queue; so a subscriber of many wards has one order,
which never changes again, and the numbers of its notices follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bus.port import Log, Record, Stored, TopicPartition
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.delivery import SubscriberState
from schemas.notification import Notification

GROUP: Final = "fan-out"


class FanOut:
    """A step without state."""

    inputs: Sequence[str] = (topics.DESIGNATIONS,)
    state_topics: Sequence[str] = ()

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = subscriptions
        self._since: dict[str, Mapping[int, int]] = {}

    def begin(self, log: Log) -> None:
        """Before the first decision: note from where on each subscriber is told.

        Who is new is told of what comes next, whatever the fan-out had left: old news are no news.
        Raises LogError.
        """
        ends = log.ends(topics.DESIGNATIONS)
        known = {each.name: state_of(log, each.name) for each in self._subscriptions}
        new = [name for name, state in known.items() if state is None]
        if new:
            log.append([_row(SubscriberState(subscriber=name, since=dict(ends))) for name in new])
        self._since = {name: state.since if state else ends for name, state in known.items()}
        if len(new) == len(known):  # nobody waits for what was left
            places = {TopicPartition(topics.DESIGNATIONS, p): end for p, end in ends.items()}
            log.commit(GROUP, places, ())
            log.rewind(GROUP)

    def empty(self, partition: int) -> None:
        """Nothing is remembered."""

    def restore(self, state: None, stored: Stored) -> None:
        """There is nothing to restore."""

    def decide(self, state: None, stored: Stored) -> Sequence[Record]:
        """The notification as it stands, once for each who wants it."""
        del state
        value = stored.value or b""
        notice = Notification.model_validate_json(value).data
        return [
            Record(topics.OUTGOING, subscription.name, subscription.name, value)
            for subscription in self._subscriptions
            if subscription.wants(notice) and self._is_told(subscription.name, stored)
        ]

    def _is_told(self, name: str, stored: Stored) -> bool:
        return stored.offset >= self._since.get(name, {}).get(stored.partition, 0)


def state_of(log: Log, subscriber: str) -> SubscriberState | None:
    """As last committed; None for one that is new. Raises LogError."""
    partition = log.partition_of(topics.SUBSCRIBERS, subscriber)
    for row in log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
        if row.key == subscriber:
            return SubscriberState.model_validate_json(row.value or b"")
    return None


def _row(state: SubscriberState) -> Record:
    name = state.subscriber
    return Record(topics.SUBSCRIBERS, name, name, state.model_dump_json().encode())
