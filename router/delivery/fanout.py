"""Writes each notification to the queue of every subscriber that wants it, in one commit.

Wards order the notifications, subscribers the queue; so a subscriber of many wards has one order, which never
changes again, and the numbers of its notices follow from it (``router.delivery.queue``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bus.port import Log, Record, Stored, TopicPartition
from router.delivery.queue import notification_of
from router.delivery.subscription import Subscription
from schemas import topics
from schemas.notification import DesignationData

GROUP: Final = "fan-out"


class FanOut:
    """A step without state. ``subscriptions`` tells who is to be told; it raises LogError."""

    inputs: Sequence[str] = (topics.DESIGNATIONS,)
    state_topics: Sequence[str] = ()

    def __init__(self, subscriptions: Callable[[], Sequence[Subscription]]) -> None:
        self._asked = subscriptions
        self._wanted = WardSubscriptions(())

    def begin(self, log: Log) -> None:
        """Before the first decision: pass over what nobody waits for any more. Raises LogError."""
        self.prepare()
        committed, starts = log.committed(GROUP), log.starts(topics.DESIGNATIONS)
        places = {}
        for partition, start in starts.items():
            at = TopicPartition(topics.DESIGNATIONS, partition)
            first = self._wanted.first(partition)
            if first >= start and committed.get(at, 0) < first:
                places[at] = first
        if places:
            log.commit(GROUP, places, ())
            log.rewind(GROUP)

    def prepare(self) -> None:
        """Before each batch: whoever had been registered when it was read is told. Raises LogError."""
        subscriptions = self._asked()
        if subscriptions is not self._wanted.subscriptions:
            self._wanted = WardSubscriptions(subscriptions)

    def empty(self, partition: int) -> None:
        """Nothing is remembered."""

    def restore(self, state: None, stored: Stored) -> None:
        """There is nothing to restore."""

    def decide(self, state: None, stored: Stored) -> Sequence[Record]:
        """The notification as it stands, once for each who wants it."""
        del state
        value = stored.value or b""
        notice = notification_of(value).data
        return [
            Record(topics.OUTGOING, subscription.name, subscription.name, value)
            for subscription in self._wanted.by(notice)
            if subscription.is_told(stored)
        ]


class WardSubscriptions:
    """Who may want a notice, found by its ward and hospital: the others cost nothing."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self.subscriptions = subscriptions
        self._anywhere = [each for each in subscriptions if not (each.wards or each.hospitals)]
        self._by_ward: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._by_hospital: defaultdict[str, list[Subscription]] = defaultdict(list)
        for each in subscriptions:
            for ward in each.wards:
                self._by_ward[ward].append(each)
            for hospital in each.hospitals:
                self._by_hospital[hospital].append(each)

    def by(self, notice: DesignationData) -> Iterator[Subscription]:
        """Each that wants it, once."""
        yield from (each for each in self._anywhere if each.wants(notice))
        for each in self._by_ward.get(notice.ward, ()):
            if each.wants(notice):
                yield each
        for each in self._by_hospital.get(notice.hospital or "", ()):
            if notice.ward not in each.wards and each.wants(notice):
                yield each

    def first(self, partition: int) -> int:
        """The first offset of ``designations`` that anybody is told of."""
        return min((each.since.get(partition, 0) for each in self.subscriptions), default=0)
