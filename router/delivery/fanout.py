"""Each notification to the queue of every subscriber that wants it, in one commit.

Wards order the notifications, subscribers the queue; so a subscriber of many wards has one order,
which never changes again, and the numbers of its notices follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bus.port import Log, Record, Stored, TopicPartition
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.notification import Notification

GROUP: Final = "fan-out"


class FanOut:
    """A step without state."""

    inputs: Sequence[str] = (topics.DESIGNATIONS,)
    state_topics: Sequence[str] = ()

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = subscriptions

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
            if subscription.wants(notice)
        ]


def begin_now(log: Log) -> None:
    """Let the fan-out begin with what comes next, where it has never run: old news are no news."""
    if log.committed(GROUP):
        return
    ends = {
        TopicPartition(topics.DESIGNATIONS, partition): end
        for partition, end in log.ends(topics.DESIGNATIONS).items()
    }
    log.commit(GROUP, ends, ())
