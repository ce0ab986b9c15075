"""Each notification to the queue of every subscriber that wants it, in one commit.

Wards order the notifications, subscribers the queue; so a subscriber of many wards has one order,
which never changes again, and the numbers of its notices follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bus.port import Log, Record, Stored, TopicPartition
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.delivery import SubscriberState
from schemas.notification import Notification

GROUP: Final = "fan-out"


class FanOut:
    """A step without state. ``registered`` tells who came besides; it raises LogError."""

    inputs: Sequence[str] = (topics.DESIGNATIONS,)
    state_topics: Sequence[str] = ()

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        registered: Callable[[], Sequence[Subscription]] = tuple,
    ) -> None:
        self._configured = tuple(subscriptions)
        self._registered = registered
        self._subscriptions = self._configured

    def begin(self, log: Log) -> None:
        """Before the first decision: note from where on each subscriber is told.

        Who is new is told of what comes next, whatever the fan-out had left: old news are no news.
        Raises LogError.
        """
        ends = log.ends(topics.DESIGNATIONS)
        known = {each.name: state_of(log, each.name) for each in self._configured}
        new = [name for name, state in known.items() if state is None]
        if new:
            log.append([row_of(SubscriberState(subscriber=name, since=dict(ends))) for name in new])
        since = {name: state.since if state else ends for name, state in known.items()}
        self._configured = tuple(replace(s, since=since[s.name]) for s in self._configured)
        self.prepare()
        self._pass_over(log)

    def prepare(self) -> None:
        """Before each batch: whoever had been registered when it was read is told. Raises LogError."""
        self._subscriptions = (*self._configured, *self._registered())

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
            if subscription.is_told(stored) and subscription.wants(notice)
        ]

    def _pass_over(self, log: Log) -> None:
        """What nobody waits for any more is not looked at."""
        committed, starts = log.committed(GROUP), log.starts(topics.DESIGNATIONS)
        places = {}
        for partition, start in starts.items():
            at = TopicPartition(topics.DESIGNATIONS, partition)
            first = min((s.since.get(partition, 0) for s in self._subscriptions), default=0)
            if first >= start and committed.get(at, 0) < first:
                places[at] = first
        if places:
            log.commit(GROUP, places, ())
            log.rewind(GROUP)


def state_of(log: Log, subscriber: str) -> SubscriberState | None:
    """As last committed; None for one that is new. Raises LogError."""
    partition = log.partition_of(topics.SUBSCRIBERS, subscriber)
    for row in log.load(TopicPartition(topics.SUBSCRIBERS, partition)):
        if row.key == subscriber:
            return SubscriberState.model_validate_json(row.value or b"")
    return None


def row_of(state: SubscriberState) -> Record:
    """A state as the log keeps it."""
    name = state.subscriber
    return Record(topics.SUBSCRIBERS, name, name, state.model_dump_json().encode())
